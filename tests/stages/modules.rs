use super::{Layout, Machine, assert_snapshot, decision};

const FOUR: [&str; 4] = ["ip_tables", "iptable_nat", "ip6_tables", "ip6table_nat"];

fn kernel(machine: &Machine) -> String {
    machine.text("/proc/sys/kernel/osrelease").trim().to_owned()
}

#[test]
fn modules_that_the_kernel_can_load_are_loaded_at_each_start() {
    let machine = Machine::new(Layout::Modern);
    assert_snapshot!(decision("modules", &machine, &[]));
}

#[test]
fn modules_that_are_loaded_need_nothing() {
    let machine = Machine::new(Layout::Modern);
    machine.write("/proc/modules", FOUR.map(|name| format!("{name} 1 0 - Live 0x0\n")).concat());
    assert_snapshot!(decision("modules", &machine, &[]));
}

#[test]
fn modules_that_are_built_into_the_kernel_need_nothing() {
    let machine = Machine::new(Layout::Modern);
    let built_in = format!("/lib/modules/{}/modules.builtin", kernel(&machine));
    machine.write(&built_in, FOUR.map(|name| format!("kernel/{name}.ko\n")).concat());
    assert_snapshot!(decision("modules", &machine, &[]));
}

#[test]
fn modules_that_the_kernel_does_not_have_are_not_named() {
    let machine = Machine::new(Layout::Modern);
    let modules = format!("/lib/modules/{}/modules.dep", kernel(&machine));
    machine.write(&modules, "kernel/overlay.ko:\n");
    assert_snapshot!(decision("modules", &machine, &[]));
}
