//! The command channel: what wsl.exe is to WSL's init. Each connection starts one command, outside any login session.
//! request: u32 count, then count * (u32 length, bytes): "u=USER" "d=DIR" "e=K=V" "t=ROWSxCOLS" (a terminal) "a=ARG" "raw=" (no session, no WSL environment)
//! in frames:  u8 kind, u32 length, data. 0 standard input (empty: end of file), 1 the terminal's new size (u16 rows, u16 columns)
//! out frames: 1 standard output (or the terminal), 2 standard error, 3 exit code (i32). Numbers are little-endian.
use crate::boot::log;
use crate::{distro, interop, sys};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

const PORT: u16 = 2222;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games:/usr/lib/wsl/lib";
const WINDOWS_PATH: &str = "/mnt/c/Windows/system32:/mnt/c/Windows:/mnt/c/Windows/System32/Wbem:/mnt/c/Users/dev/AppData/Local/Microsoft/WindowsApps";
/// WSL waits 10 s ([boot] initTimeout); an emulated processor is given more.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Who has a login session since this start, and the terminals that keep those sessions.
static SESSIONS: Mutex<Option<HashMap<u32, OwnedFd>>> = Mutex::new(None);

struct User {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: String,
    shell: String,
}

#[derive(Default)]
struct Request {
    user: String,
    dir: Option<String>,
    env: Vec<(String, String)>,
    terminal: Option<(u16, u16)>,
    args: Vec<String>,
    raw: bool,
}

pub fn serve(systemd: bool) -> ! {
    let listener = TcpListener::bind(("0.0.0.0", PORT)).expect("the command channel's port");
    log("wsl-vm: command channel open");
    for stream in listener.incoming().flatten() {
        thread::spawn(move || {
            let mut out = stream.try_clone().expect("a socket");
            if let Err(e) = handle(stream, systemd) {
                let _ = frame(&mut out, 2, format!("wsl-vm: {e}\n").as_bytes());
                let _ = frame(&mut out, 3, &127i32.to_le_bytes());
            }
        });
    }
    unreachable!("the listener ended")
}

fn handle(mut stream: TcpStream, systemd: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let request = read_request(&mut stream)?;
    let user = find_user(if request.user.is_empty() { "root" } else { &request.user })
        .ok_or_else(|| io::Error::other(format!("no user {}", request.user)))?;
    if systemd && !request.raw {
        wait_for_boot();
    }
    if systemd && !request.raw && user.uid != 0 {
        if let Err(what) = session(&user) {
            frame(&mut stream, 2, format!("wsl: Failed to start the systemd user session for '{}'. See journalctl for more details. ({what})\n", user.name).as_bytes())?;
        }
    }
    let reaches_windows = !request.raw && interop::enabled();
    let program = request.args.first().ok_or_else(|| io::Error::other("no command"))?;
    let mut command = Command::new(if reaches_windows { "/init" } else { program });
    if reaches_windows {
        command.arg0(interop::LEADER).arg(program);
    }
    command
        .args(&request.args[1..])
        .env_clear()
        .envs(environment(&user, systemd, request.raw))
        .envs(request.env.clone());
    // a directory on a drive that is not mounted: wsl.exe reports it and uses the user's home
    let dir = request.dir.as_deref().filter(|dir| Path::new(dir).is_dir());
    command.current_dir(dir.unwrap_or(&user.home));
    let mut readers: Vec<(u8, File)> = Vec::new();
    let mut input = None;
    let mut master = None;
    if let Some((rows, cols)) = request.terminal {
        let (m, s) = sys::pty(rows, cols)?;
        let (m, s) = unsafe { (OwnedFd::from_raw_fd(m), OwnedFd::from_raw_fd(s)) };
        command.stdin(s.try_clone()?).stdout(s.try_clone()?).stderr(s);
        readers.push((1, File::from(m.try_clone()?)));
        input = Some(File::from(m.try_clone()?));
        master = Some(m);
    } else {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let terminal = master.is_some();
    let (uid, gid, groups) = (user.uid, user.gid, user.groups);
    unsafe {
        command.pre_exec(move || {
            sys::setsid();
            distro::join_session_cgroup()?;
            if terminal {
                sys::take_terminal();
            }
            sys::become_user(uid, gid, &groups)
        });
    }
    let mut child = command.spawn().map_err(|e| io::Error::other(format!("{}: {e}", request.args[0])))?;
    drop(command); // and with it the terminal's slave side
    if master.is_none() {
        readers.push((1, File::from(OwnedFd::from(child.stdout.take().expect("piped")))));
        readers.push((2, File::from(OwnedFd::from(child.stderr.take().expect("piped")))));
        input = Some(File::from(OwnedFd::from(child.stdin.take().expect("piped"))));
    }
    let out = Arc::new(Mutex::new(stream.try_clone()?));
    let group = child.id() as i32;
    let mut frames = stream.try_clone()?;
    let feeder = thread::spawn(move || feed(&mut frames, input, master, group));
    let readers: Vec<_> = readers
        .into_iter()
        .map(|(kind, from)| {
            let out = out.clone();
            thread::spawn(move || copy(from, kind, &out))
        })
        .collect();
    let status = child.wait()?;
    interop::close(child.id());
    // a background child may hold the pipes open: the output that is there is passed on, then the command is over
    let end = Instant::now();
    while end.elapsed() < Duration::from_millis(300) && !readers.iter().all(|r| r.is_finished()) {
        sleep(Duration::from_millis(5));
    }
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    frame(&mut *out.lock().expect("output"), 3, &code.to_le_bytes())?;
    let _ = stream.shutdown(Shutdown::Both);
    let _ = feeder.join();
    Ok(())
}

/// Passes standard input on. When the client goes away before the command ends, the command is hung up, as when a console window closes.
fn feed(frames: &mut TcpStream, mut input: Option<File>, master: Option<OwnedFd>, group: i32) {
    loop {
        let mut kind = [0];
        let Ok(data) = frames.read_exact(&mut kind).and_then(|()| read_block(frames)) else { break };
        match (kind[0], data.len()) {
            (1, 4) => {
                if let Some(m) = &master {
                    sys::resize(
                        m.as_raw_fd(),
                        u16::from_le_bytes([data[0], data[1]]),
                        u16::from_le_bytes([data[2], data[3]]),
                    );
                }
            }
            (_, 0) => input = if master.is_some() { input } else { None },
            _ => {
                if input.as_mut().is_some_and(|i| i.write_all(&data).is_err()) {
                    input = None;
                }
            }
        }
    }
    if fs::metadata(format!("/proc/{group}")).is_ok() {
        unsafe { sys::kill(-group, sys::SIGHUP) };
        unsafe { sys::kill(-group, sys::SIGTERM) };
    }
}

fn copy(mut from: File, kind: u8, out: &Mutex<TcpStream>) {
    let mut buffer = vec![0; 32768];
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        if frame(&mut *out.lock().expect("output"), kind, &buffer[..n]).is_err() {
            break;
        }
    }
}

fn systemctl(args: &[&str]) -> String {
    let out = Command::new("/usr/bin/timeout")
        .args(["10", "/bin/systemctl"])
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    out.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_string()).unwrap_or_default()
}

/// The first command of a start waits for systemd, as on WSL (`WaitForBootProcess`), and continues after its timeout.
fn wait_for_boot() {
    static WAITED: Mutex<bool> = Mutex::new(false);
    let mut waited = WAITED.lock().expect("waited");
    let end = Instant::now() + TIMEOUT;
    // `--wait` costs less than asking often, but never returns when systemd re-executes itself meanwhile: hence the timeout
    while !*waited
        && !matches!(
            systemctl(&["is-system-running", "--wait"]).as_str(),
            "running" | "degraded" | "maintenance"
        )
        && Instant::now() < end
    {
        sleep(Duration::from_secs(1));
    }
    *waited = true;
}

/// WSL's CreateLoginSession: once for each user and start, `login -f USER` on a terminal that stays open, then the user's manager.
fn session(user: &User) -> Result<(), String> {
    let mut sessions = SESSIONS.lock().expect("sessions");
    let sessions = sessions.get_or_insert_with(HashMap::new);
    if sessions.contains_key(&user.uid) {
        return Ok(());
    }
    let end = Instant::now() + TIMEOUT;
    let (master, slave) = sys::pty(24, 80).map_err(|e| e.to_string())?;
    let (master, slave) = unsafe { (OwnedFd::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
    let mut login = Command::new("/bin/login");
    login.args(["-f", &user.name]).env_clear().env("PATH", PATH).env("TERM", "dumb");
    login
        .stdin(slave.try_clone().map_err(|e| e.to_string())?)
        .stdout(slave.try_clone().map_err(|e| e.to_string())?)
        .stderr(slave);
    unsafe {
        login.pre_exec(|| {
            sys::setsid();
            distro::join_login_cgroup()?;
            sys::take_terminal();
            Ok(())
        });
    }
    let mut child = login.spawn().map_err(|e| format!("/bin/login: {e}"))?;
    drop(login);
    let mut reader = File::from(master.try_clone().map_err(|e| e.to_string())?);
    thread::spawn(move || while matches!(reader.read(&mut [0; 4096]), Ok(1..)) {});
    thread::spawn(move || child.wait());
    sessions.insert(user.uid, master);
    let unit = format!("user@{}.service", user.uid);
    while systemctl(&["is-active", &unit]) != "active" {
        if Instant::now() > end {
            return Err(format!("{unit} is {}", systemctl(&["is-active", &unit])));
        }
        sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// What WSL gives a command that wsl.exe starts.
fn environment(user: &User, systemd: bool, raw: bool) -> Vec<(String, String)> {
    let mut env: Vec<(&str, String)> = vec![
        ("HOME", user.home.clone()),
        ("USER", user.name.clone()),
        ("LOGNAME", user.name.clone()),
        ("SHELL", user.shell.clone()),
        ("LANG", "C.UTF-8".into()),
        ("PATH", PATH.into()),
    ];
    if !raw {
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let conf = distro::read_conf();
        env.extend([
            ("WSL_DISTRO_NAME", "Debian".into()),
            ("NAME", name.trim().to_string()),
            ("WSLENV", String::new()),
            ("TERM", "xterm-256color".into()),
            ("HOSTTYPE", "x86_64".into()),
        ]);
        if conf.bool("interop.appendwindowspath", true) && conf.bool("interop.enabled", true) {
            env.push(("PATH", format!("{PATH}:{WINDOWS_PATH}")));
        }
        if systemd {
            let dir = format!("/run/user/{}", user.uid);
            env.push(("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={dir}/bus")));
            env.push(("XDG_RUNTIME_DIR", dir));
        }
    }
    env.into_iter().map(|(k, v)| (k.to_string(), v)).collect()
}

fn find_user(name: &str) -> Option<User> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let row: Vec<&str> = passwd.lines().map(|l| l.split(':').collect::<Vec<_>>()).find(|f| f[0] == name)?;
    let gid: u32 = row.get(3)?.parse().ok()?;
    let mut groups = HashSet::from([gid]);
    for line in fs::read_to_string("/etc/group").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if fields.len() == 4 && fields[3].split(',').any(|n| n == name) {
            groups.extend(fields[2].parse::<u32>());
        }
    }
    Some(User {
        name: name.into(),
        uid: row[2].parse().ok()?,
        gid,
        groups: groups.into_iter().collect(),
        home: row.get(5)?.to_string(),
        shell: row.get(6)?.to_string(),
    })
}

fn read_request(stream: &mut TcpStream) -> io::Result<Request> {
    let mut request = Request::default();
    for _ in 0..read_u32(stream)? {
        let text = String::from_utf8_lossy(&read_block(stream)?).into_owned();
        let (key, value) = text.split_once('=').unwrap_or((&text, ""));
        match key {
            "u" => request.user = value.into(),
            "d" => request.dir = Some(value.into()),
            "e" => request.env.extend(value.split_once('=').map(|(k, v)| (k.into(), v.into()))),
            "t" => {
                request.terminal =
                    value.split_once('x').and_then(|(r, c)| Some((r.parse().ok()?, c.parse().ok()?)))
            }
            "raw" => request.raw = true,
            _ => request.args.push(value.into()),
        }
    }
    Ok(request)
}

pub fn read_u32(stream: &mut TcpStream) -> io::Result<u32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

pub fn read_block(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; read_u32(stream)? as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

pub fn frame(stream: &mut TcpStream, kind: u8, data: &[u8]) -> io::Result<()> {
    let mut bytes = vec![kind];
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    stream.write_all(&bytes)
}
