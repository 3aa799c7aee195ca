//! Passwords in texts that are shown or handed on: in the files that a set-up edits stand mounts, and variables for
//! containers.

/// What a password or token is called before its `=`: in mount options (`mount.cifs(8)`), and in the variables that
/// containers.conf hands to containers.
const SECRETS: [&str; 6] = ["pass", "password", "passwd", "token", "secret", "key"];

/// Takes out the user and password of every address, and what follows a name that ends as a password's or token's does.
#[must_use]
pub fn without_secrets(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let is_end = |c: char| c.is_whitespace() || ",;\"'\\".contains(c);
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at);
        safe.push_str(before);
        let value = |text: &str| text.find(is_end).unwrap_or(text.len());
        if let Some(address) = after.strip_prefix("://") {
            safe.push_str("://");
            let authority = &address[..address.find(|c| is_end(c) || c == '/').unwrap_or(address.len())];
            rest = authority.rfind('@').map_or(address, |end| &address[end + 1..]);
        } else if let Some(secret) = after.strip_prefix('=')
            && SECRETS.iter().any(|name| before.to_lowercase().ends_with(name))
        {
            safe.push_str("=…");
            rest = &secret[value(secret)..];
        } else {
            safe.push_str(&after[..1]);
            rest = &after[1..];
        }
    }
    safe + rest
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn no_password_is_left_in_an_address_a_mount_or_a_variable() {
        let text = r#"{"a":"https://me:p@ss@host:1/x@y","b":"//nas/d /d cifs user=me,password=hunter2,uid=0 0\n","c":"env = [\"API_TOKEN=abc\", \"A=b\"]"}"#;
        let safe = r#"{"a":"https://host:1/x@y","b":"//nas/d /d cifs user=me,password=…,uid=0 0\n","c":"env = [\"API_TOKEN=…\", \"A=b\"]"}"#;
        assert_eq!(without_secrets(text), safe);
    }
}
