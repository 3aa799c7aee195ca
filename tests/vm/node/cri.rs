//! One call of containerd's CRI: gRPC, that is HTTP/2 with one request on one stream (RFC 9113), the headers written without
//! compression (RFC 7541, 6.2.2). The answer's headers are not read: a call that was refused has no message, and containerd's journal says why.
use crate::message::Message;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SOCKET: &str = "/run/containerd/containerd.sock";
const WINDOW: u32 = 16 << 20;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// How long an answer is waited for, in seconds; 0 is without an end.
pub static TIMEOUT: AtomicU64 = AtomicU64::new(0);

/// The answer to `runtime.v1.RuntimeService/NAME`.
pub fn call(name: &str, request: &Message) -> std::result::Result<Message, String> {
    let say = |error: Error| match error.kind() {
        // as the real crictl (cri-tools 1.30) says it
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!(
            "level=fatal msg=\"{name}: rpc error: code = DeadlineExceeded desc = context deadline exceeded\""
        ),
        _ => format!("containerd, {name}: {error}"),
    };
    match unary(name, request.bytes()).map_err(say)? {
        Some(bytes) => Message::read(&bytes)
            .ok_or_else(|| format!("containerd, {name}: the answer is not a protocol buffer")),
        None => Err(format!("containerd refused {name}; `journalctl -u containerd` says why")),
    }
}

fn unary(name: &str, request: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut link = UnixStream::connect(SOCKET)?;
    link.set_read_timeout(Some(Duration::from_secs(TIMEOUT.load(Relaxed))).filter(|time| !time.is_zero()))?;
    link.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    // INITIAL_WINDOW_SIZE, and as much for the connection: no answer here is longer
    let mut window = vec![0, 4];
    window.extend(WINDOW.to_be_bytes());
    frame(&mut link, SETTINGS, 0, 0, &window)?;
    frame(&mut link, WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes())?;
    frame(&mut link, HEADERS, END_HEADERS, 1, &headers(&format!("/runtime.v1.RuntimeService/{name}")))?;
    let mut body = vec![0];
    body.extend((request.len() as u32).to_be_bytes());
    body.extend(request);
    frame(&mut link, DATA, END_STREAM, 1, &body)?;
    let mut answer = Vec::new();
    loop {
        let mut head = [0; 9];
        link.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        link.read_exact(&mut payload)?;
        let (kind, flags) = (head[3], head[4]);
        match kind {
            SETTINGS if flags & ACK == 0 => frame(&mut link, SETTINGS, ACK, 0, &[])?,
            PING if flags & ACK == 0 => frame(&mut link, PING, ACK, 0, &payload)?,
            DATA => answer.extend(payload),
            RST_STREAM | GOAWAY => {
                return Err(Error::new(ErrorKind::ConnectionAborted, "the stream was reset"));
            }
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            // a message has five bytes before it: not compressed, its length
            return Ok((answer.len() >= 5).then(|| answer.split_off(5)));
        }
    }
}

fn headers(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // :method POST, :scheme http, of the static table
    let mut literal = |name: &[u8], value: &str| {
        block.extend(name);
        block.push(u8::try_from(value.len()).expect("shorter than 127 bytes"));
        block.extend(value.as_bytes());
    };
    literal(&[0x04], path);
    literal(&[0x01], "localhost"); // :authority
    literal(&[0x0f, 0x10], "application/grpc"); // content-type
    literal(b"\0\x02te", "trailers");
    block
}

fn frame(link: &mut UnixStream, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Result<()> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    link.write_all(&bytes)
}
