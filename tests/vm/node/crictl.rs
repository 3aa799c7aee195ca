//! `crictl pods -o json` and `crictl ps [-a] [-q|-o json]`, in the form in which the real one (cri-tools 1.26) prints what containerd answers.
//! The numbers are the fields of CRI's `api.proto` (k8s.io/cri-api, runtime/v1).
use crate::cri::{TIMEOUT, call};
use crate::message::Message;
use std::sync::atomic::Ordering::Relaxed;

pub fn run(arguments: &[String]) -> Result<(), String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // a global flag, so before the command: a number with its unit; without the flag 2 s
    let (timeout, words) = match words.as_slice() {
        ["--timeout" | "-t", time, command @ ..] => (
            time.strip_suffix('s')
                .and_then(|n| n.parse().ok())
                .ok_or_else(|| format!("invalid value {time:?} for flag -timeout"))?,
            command,
        ),
        all => (2, all),
    };
    TIMEOUT.store(timeout, Relaxed);
    match words {
        ["pods", "-o", "json"] => println!("{}", pods()?),
        ["ps", "-o", "json"] => println!("{}", containers(running())?),
        ["ps", "-a", "-o", "json"] => println!("{}", containers(Message::default())?),
        ["ps", "-q"] => {
            call("ListContainers", &running())?.messages(1).iter().for_each(|c| println!("{}", c.string(1)))
        }
        ["--version"] => println!("crictl version v1.26.0 (stand-in)"),
        // kind's calls of it carry nothing that is read
        ["config", ..] | ["info"] => {}
        other => {
            return Err(format!(
                "this stand-in for crictl knows `pods -o json`, `ps [-a] -o json` and `ps -q`, not {other:?}"
            ));
        }
    }
    Ok(())
}

fn pods() -> Result<String, String> {
    let answer = call("ListPodSandbox", &Message::default())?;
    Ok(list("items", &answer.messages(1).iter().map(pod).collect::<Vec<_>>()))
}

fn containers(wanted: Message) -> Result<String, String> {
    Ok(list(
        "containers",
        &call("ListContainers", &wanted)?.messages(1).iter().map(container).collect::<Vec<_>>(),
    ))
}

/// Without `-a` crictl shows what runs.
fn running() -> Message {
    let state = Message::default().number(1, 1);
    Message::default().message(1, &Message::default().message(2, &state))
}

fn pod(item: &Message) -> String {
    let metadata = item.inner(2);
    let state = ["SANDBOX_READY", "SANDBOX_NOTREADY"].get(item.integer(3) as usize).copied().unwrap_or("");
    object(&[
        ("id", text(&item.string(1))),
        (
            "metadata",
            object(&[
                ("name", text(&metadata.string(1))),
                ("uid", text(&metadata.string(2))),
                ("namespace", text(&metadata.string(3))),
                ("attempt", metadata.integer(4).to_string()),
            ]),
        ),
        ("state", text(state)),
        ("createdAt", text(&item.integer(4).to_string())),
        ("labels", map(&item.pairs(5))),
        ("annotations", map(&item.pairs(6))),
        ("runtimeHandler", text(&item.string(7))),
    ])
}

fn container(item: &Message) -> String {
    let metadata = item.inner(3);
    let state = ["CONTAINER_CREATED", "CONTAINER_RUNNING", "CONTAINER_EXITED"]
        .get(item.integer(6) as usize)
        .copied()
        .unwrap_or("CONTAINER_UNKNOWN");
    object(&[
        ("id", text(&item.string(1))),
        ("podSandboxId", text(&item.string(2))),
        (
            "metadata",
            object(&[("name", text(&metadata.string(1))), ("attempt", metadata.integer(2).to_string())]),
        ),
        ("image", object(&[("image", text(&item.inner(4).string(1))), ("annotations", map(&[]))])),
        ("imageRef", text(&item.string(5))),
        ("state", text(state)),
        ("createdAt", text(&item.integer(7).to_string())),
        ("labels", map(&item.pairs(8))),
        ("annotations", map(&item.pairs(9))),
    ])
}

fn list(name: &str, items: &[String]) -> String {
    object(&[(name, format!("[{}]", items.join(",")))])
}

fn map(pairs: &[(String, String)]) -> String {
    object(&pairs.iter().map(|(key, value)| (key.as_str(), text(value))).collect::<Vec<_>>())
}

fn object(fields: &[(&str, String)]) -> String {
    format!(
        "{{{}}}",
        fields.iter().map(|(name, value)| format!("{}:{value}", text(name))).collect::<Vec<_>>().join(",")
    )
}

fn text(value: &str) -> String {
    let mut made = String::from('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => made.extend(['\\', letter]),
            control if control < ' ' => made.push_str(&format!("\\u{:04x}", control as u32)),
            other => made.push(other),
        }
    }
    made + "\""
}
