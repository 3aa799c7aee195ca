//! Interop. The kernel hands a started Windows program to /init (binfmt_misc); /init finds a socket of WSL's, and by it the Windows side, which
//! runs the program. The sockets are played by files: one for each command of wsl.exe, one for the distribution (1_interop), whose programs
//! Windows keeps in a job that ends with it. What is behind them is the host, over TCP, at the port `vm.interop` on the kernel command line.
//! request: u32 count, then count * (u32 length, bytes): "exe=PATH" "cwd=DIR" (Windows paths) "a=ARG" "e=K=V" (to set, empty: to remove) "job="
//! frames in and out as in channel.rs: 0 standard input; 1, 2 standard output and error; 3 exit code
use crate::channel::{frame, read_block};
use crate::conf::Conf;
use crate::distro::{choice, read_conf};
use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};
use std::{env, thread, time::Duration};

/// The name by which /init becomes a command of wsl.exe that can reach Windows.
pub const LEADER: &str = "wsl-session-leader";
const SOCKETS: &str = "/run/WSL";
const DISTRO: &str = "1_interop";
/// Replaces the distribution's socket if no Windows is behind it.
const DEAF: &str = "deaf";
/// How long WSL's /init waits for the answer of a socket without a server.
const ACCEPT: Duration = Duration::from_secs(10);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

pub fn open(conf: &Conf) {
    let _ = fs::create_dir_all(SOCKETS);
    let _ = fs::set_permissions(SOCKETS, Permissions::from_mode(0o777));
    let _ = fs::write(format!("{SOCKETS}/{DISTRO}"), if on(conf) { "" } else { DEAF });
}

fn on(conf: &Conf) -> bool {
    conf.bool("interop.enabled", true)
}

/// As this distribution was started, whatever wsl.conf says now.
pub fn enabled() -> bool {
    fs::read_to_string(format!("{SOCKETS}/{DISTRO}")).is_ok_and(|what| what != DEAF)
}

fn socket(pid: u32) -> String {
    format!("{SOCKETS}/{pid}_interop")
}

/// Makes this process's socket and becomes the command. WSL's is its parent's; the environment and the walk to it are the same.
pub fn lead(args: &[String]) {
    let socket = socket(std::process::id());
    let _ = fs::write(&socket, "");
    let e = Command::new(&args[0]).args(&args[1..]).env("WSL_INTEROP", socket).exec();
    eprintln!("wsl-vm: {}: {e}", args[0]);
    exit(127)
}

pub fn close(pid: u32) {
    let _ = fs::remove_file(socket(pid));
}

/// The socket that the environment names, if it is there; else the nearest parent's; at last the distribution's.
fn find_socket() -> Option<PathBuf> {
    if let Some(named) = env::var_os("WSL_INTEROP").map(PathBuf::from).filter(|p| p.exists()) {
        return Some(named);
    }
    let mut pid = std::process::id();
    while pid > 1 {
        if Path::new(&socket(pid)).exists() {
            return Some(socket(pid).into());
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        pid = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
    }
    Some(Path::new(SOCKETS).join(DISTRO)).filter(|p| p.exists())
}

/// As the interpreter: /init, the program's path, its own name for itself, its arguments.
pub fn main(args: &[String]) {
    let (Some(socket), [_, program, _, rest @ ..]) = (find_socket(), args) else { unreachable(2) };
    let ours = socket.ends_with(DISTRO);
    if ours && !enabled() {
        thread::sleep(ACCEPT);
        exit(1);
    }
    let port = choice("interop").parse().unwrap_or_else(|_| unreachable(2));
    let stream =
        TcpStream::connect((HOST, port)).unwrap_or_else(|e| unreachable(e.raw_os_error().unwrap_or(111)));
    let code = ask(stream, program, rest, ours).unwrap_or(1);
    exit(code)
}

/// What the real /init prints if it cannot reach Windows.
fn unreachable(errno: i32) -> ! {
    eprintln!("<3>WSL ({} - ) ERROR: UtilConnectUnix:498: connect failed {errno}", std::process::id());
    exit(1)
}

fn ask(mut stream: TcpStream, program: &str, args: &[String], job: bool) -> io::Result<i32> {
    stream.set_nodelay(true)?;
    let here = env::current_dir().unwrap_or_else(|_| "/".into());
    let mut parts =
        vec![format!("exe={}", to_windows(&real(&here.join(program)))), format!("cwd={}", to_windows(&here))];
    parts.extend(args.iter().map(|a| format!("a={a}")));
    parts.extend(crossing(&env::var("WSLENV").unwrap_or_default()).iter().map(|(k, v)| format!("e={k}={v}")));
    parts.extend(job.then(|| "job=".to_string()));
    let mut request = (parts.len() as u32).to_le_bytes().to_vec();
    for part in &parts {
        request.extend((part.len() as u32).to_le_bytes());
        request.extend(part.as_bytes());
    }
    stream.write_all(&request)?;
    let mut input = stream.try_clone()?;
    thread::spawn(move || {
        let mut buffer = vec![0; 32768];
        loop {
            let n = io::stdin().read(&mut buffer).unwrap_or(0);
            if frame(&mut input, 0, &buffer[..n]).is_err() || n == 0 {
                break;
            }
        }
    });
    loop {
        let mut kind = [0];
        stream.read_exact(&mut kind)?;
        let data = read_block(&mut stream)?;
        match kind[0] {
            1 => io::stdout().write_all(&data).and_then(|()| io::stdout().flush())?,
            2 => io::stderr().write_all(&data)?,
            _ => return Ok(i32::from_le_bytes(data.try_into().unwrap_or([1, 0, 0, 0]))),
        }
    }
}

/// The variables that WSLENV names, as Windows gets them, and WSLENV itself. Flags: u only into Linux, w only out of it, p a path, l a list of paths.
fn crossing(wslenv: &str) -> Vec<(String, String)> {
    let mut crossing = Vec::new();
    for entry in wslenv.split(':').filter(|e| !e.is_empty()) {
        let (name, flags) = entry.split_once('/').unwrap_or((entry, ""));
        if flags.chars().any(|f| !"uwpl".contains(f)) || flags.contains('u') && !flags.contains('w') {
            continue;
        }
        let value = env::var(name).unwrap_or_default();
        let value = match (flags.contains('p'), flags.contains('l')) {
            _ if value.is_empty() => value,
            (_, true) => value.split(':').map(|p| to_windows(Path::new(p))).collect::<Vec<_>>().join(";"),
            (true, _) => to_windows(Path::new(&value)),
            _ => value,
        };
        crossing.push((name.to_string(), value));
    }
    crossing.push(("WSLENV".into(), wslenv.into()));
    crossing
}

/// Without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.into())
}

fn drives() -> String {
    read_conf().get("automount.root").unwrap_or("/mnt").trim_end_matches('/').to_string()
}

fn to_windows(path: &Path) -> String {
    let path = path.to_string_lossy();
    let drive = format!("{}/c", drives());
    match path.strip_prefix(&drive) {
        Some("") => r"C:\".into(),
        Some(rest) if rest.starts_with('/') => format!("C:{}", rest.replace('/', r"\")),
        _ => format!(r"\\wsl.localhost\Debian{}", path.replace('/', r"\")),
    }
}

fn to_linux(path: &str) -> Option<String> {
    let slashes = path.replace('\\', "/");
    if let Some(rest) =
        ["//wsl.localhost/Debian", "//wsl$/Debian"].iter().find_map(|share| slashes.strip_prefix(share))
    {
        return Some(if rest.is_empty() { "/".into() } else { rest.into() });
    }
    match slashes.split_once(':') {
        Some((drive, rest)) if drive.eq_ignore_ascii_case("c") => {
            Some(format!("{}/c{}", drives(), rest.trim_end_matches('/')))
        }
        Some((drive, _)) if drive.len() == 1 => None,
        _ => Some(slashes),
    }
}

/// wslpath [-a] [-u|-w|-m] PATH
pub fn wslpath(args: &[String]) {
    let (flags, paths): (Vec<_>, Vec<_>) = args.iter().map(String::as_str).partition(|a| a.starts_with('-'));
    let [path] = paths[..] else {
        eprintln!("wslpath: Invalid argument\nUsage: wslpath [-a] [-u|-w|-m] PATH");
        exit(1)
    };
    let whole = |p: &Path| env::current_dir().unwrap_or_default().join(p);
    let windows = flags.iter().any(|f| matches!(*f, "-w" | "-m"));
    let answer = if windows {
        // a Windows path is only for what is there, or could be made there
        let full = whole(Path::new(path));
        let place = if full.exists() {
            Some(real(&full))
        } else {
            full.parent().filter(|p| p.is_dir()).map(|p| real(p).join(full.file_name().unwrap_or_default()))
        };
        place.map(|p| to_windows(&p)).map(|p| if flags.contains(&"-m") { p.replace('\\', "/") } else { p })
    } else {
        to_linux(path).map(|p| {
            if flags.contains(&"-a") { whole(Path::new(&p)).to_string_lossy().into_owned() } else { p }
        })
    };
    let Some(answer) = answer else {
        eprintln!("wslpath: {path}");
        exit(1)
    };
    println!("{answer}");
}
