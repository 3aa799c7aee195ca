//! The program that plays WSL inside the test machine. One static file, by the name it is called with:
//!   /init as PID 1 of the kernel   mini_init: the virtual machine's own first process (boot.rs)
//!   /init as PID 1 of the distro   WSL's init: wsl.conf, cgroups, fstab, drives, systemd (distro.rs), the command channel (channel.rs)
//!   /bin/wslinfo, the systemd generator, and on the host `init conf FILE DIALECT` (conf.rs)
mod boot;
mod channel;
mod conf;
mod distro;
mod sys;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let name = args[0].rsplit('/').next().unwrap_or_default();
    match (name, args.get(1).map(String::as_str)) {
        ("wslinfo", _) => distro::wslinfo(&args[1..]),
        ("wsl-generator", _) => distro::generator(&args[1..]),
        (_, Some("conf")) => conf::main(&args[2..]),
        (_, None) if std::process::id() == 1 && std::path::Path::new("/modules.list").exists() => boot::mini_init(),
        (_, None) if std::process::id() == 1 => distro::init(),
        _ => {
            // what the real /init says when a Windows program is started and Windows cannot be reached
            eprintln!("<3>WSL ({} - ) ERROR: UtilConnectUnix:498: connect failed 2", std::process::id());
            std::process::exit(1)
        }
    }
}
