//! The program that plays WSL inside the test machine. One static file, by the name it is called with:
//!   /init as PID 1 of the kernel   mini_init: the virtual machine's own first process (boot.rs)
//!   /init as PID 1 of the distro   WSL's init: wsl.conf, cgroups, fstab, drives, systemd (distro.rs), the command channel (channel.rs)
//!   /init as the interpreter of a Windows program, and /bin/wslpath: interop.rs
//!   /bin/wslinfo, the systemd generator, and on the host `init conf FILE DIALECT` (conf.rs)
mod boot;
mod channel;
mod conf;
mod distro;
mod interop;
mod sys;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args[0].rsplit('/').next().unwrap_or_default();
    match (name, args.get(1).map(String::as_str)) {
        (interop::LEADER, _) => interop::lead(&args[1..]),
        ("wslpath", _) => interop::wslpath(&args[1..]),
        ("wslinfo", _) => distro::wslinfo(&args[1..]),
        ("wsl-generator", _) => distro::generator(&args[1..]),
        (_, Some("conf")) => conf::main(&args[2..]),
        (_, None) if std::process::id() == 1 && std::path::Path::new("/modules.list").exists() => {
            boot::mini_init()
        }
        (_, None) if std::process::id() == 1 => distro::init(),
        _ => interop::main(&args),
    }
}
