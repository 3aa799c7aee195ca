//! What comes from elsewhere: catalogues, what servers and proxies say, gpgv's verdict, addresses of mirrors.

use std::time::Duration;

use camino::Utf8Path;
use kind_wsl::fetch::catalogue::{Arch, Catalogue};
use kind_wsl::fetch::check_mirror;
use kind_wsl::fetch::signature::{Signature, judge};
use kind_wsl::journal::RunOptions;
use kind_wsl::version::Version;
use reqwest::Url;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::system::Machine;
use super::{Shape, Target, choice, order};

#[path = "../../../src/fetch/parse.rs"]
#[allow(unreachable_pub, dead_code, missing_docs, reason = "the program's own, as it is")]
mod parse;

pub(crate) const CATALOGUE: Target = Target {
    name: "catalogue",
    words: &[
        "schema = 1",
        "name = \"crun\"",
        "[[release]]",
        "version = \"1.28\"",
        "recommended = [\"1.28\"]",
        "[release.builds.amd64]",
        "[release.builds.arm64]",
        "sha256 = \"",
        "sources = [\"a\"]",
        "size = 1",
        "signed = true",
        "[release.avoid]",
        "text = \"x\"",
        "thread = \"y\"",
        "kubernetes = \"1.33\"",
        "https://",
        "{version}",
        "{arch}",
        "disable-systemd",
        "/",
        "../",
        "1.28",
        "v1.28",
        "\n",
        "\"",
        "[",
        "]",
        "#",
        "0",
        "a",
    ],
    run: catalogue,
    ordinary: 500,
};
pub(crate) const WORDS: Target = Target {
    name: "words",
    words: &[
        "range 10",
        "later",
        "status",
        "releases",
        "bytes ",
        "-",
        "/",
        "*",
        "10-19/20",
        "0",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "+1",
        " ",
        "Sun, 06 Nov 2026 08:49:37 GMT",
        "\n",
        "HTTP/1.1 200",
        "HTTP/1.",
        "407",
        r#"{"tag_name":"1.28","draft":false,"prerelease":false}"#,
        "[",
        "]",
        ",",
        "v",
        "true",
        "\u{e9}",
        "\0",
    ],
    run: said,
    ordinary: 4000,
};
pub(crate) const SIGNATURE: Target = Target {
    name: "signature",
    words: &[
        "[GNUPG:] ",
        "GOODSIG 67E38F7A8BA21772 G S",
        "VALIDSIG A 2026-09-25 1790000000 0 4 0 1 10 00 B",
        "BADSIG",
        "EXPSIG",
        "EXPKEYSIG",
        "REVKEYSIG",
        "NO_PUBKEY",
        "ERRSIG",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\x01",
        "\x02",
        "\x03",
        "\0",
    ],
    run: signature,
    ordinary: 4000,
};
pub(crate) const ADDRESS: Target = Target {
    name: "address",
    words: &[
        "https://",
        "http://",
        "https:",
        "HTTPS:/",
        "\\",
        "//",
        "me:secret@",
        "secret",
        "@",
        ":",
        "/",
        "?",
        "#",
        "mirror.test",
        "[::1]",
        ":8443",
        ":99999",
        "%40",
        "%",
        "..",
        " ",
        "\t",
        "\n",
        "\u{e9}",
        "xn--",
        "127.1",
        "\0",
        "a",
    ],
    run: address,
    ordinary: 3000,
};

fn catalogue(input: &[u8]) -> Shape {
    let text = String::from_utf8_lossy(input);
    let read = match Catalogue::parse("it", &text) {
        Ok(read) => read,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("catalogue `it`"), "{text}");
            // The rule that is broken, without what it is broken by.
            let words: Vec<&str> = text.lines().next().unwrap_or_default().rsplit(' ').take(3).collect();
            return Shape::of(words);
        }
    };
    for pair in read.releases.windows(2) {
        assert!(pair[0].version > pair[1].version, "newest first, and none twice");
    }
    if let Some(release) = read.releases.get(choice(input) % read.releases.len().max(1)) {
        let version = release.version.as_str();
        assert_eq!(read.find(&release.version), Some(release));
        assert_eq!(read.near_match(version).map(str::parse::<Version>), Some(Ok(release.version.clone())));
    }
    for release in &read.releases {
        for (arch, build) in &release.builds {
            let is_sha256 =
                build.sha256.len() == 64 && build.sha256.bytes().all(|b| b"0123456789abcdef".contains(&b));
            assert!(is_sha256, "every checksum is well formed");
            assert!(build.sources.iter().any(|s| !s.trim().is_empty()), "no checksum without a source");
            assert!(build.independent() <= build.sources.len());
            let artifact = read.artifact(&release.version, *arch).expect("its checksum is known");
            assert!(artifact.url.starts_with("https://") && artifact.sha256 == build.sha256);
            let is_name = |name: &str| {
                let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
                !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)
            };
            assert!(is_name(&artifact.file), "{:?} is not a file name", artifact.file);
            assert!(!artifact.file.contains("disable-systemd") && !artifact.url.contains("disable-systemd"));
        }
    }
    for arch in [Arch::Amd64, Arch::Arm64, Arch::S390x] {
        if let Some(release) = read.recommended(arch) {
            assert!(
                release.avoid.is_none() && release.builds.get(&arch).is_some_and(|b| b.independent() >= 2)
            );
        }
    }
    let user = Version::from([1, 28]);
    assert!(read.user_artifact(&user, Arch::Amd64, &text).is_err());
    Shape::of("read")
        .few(read.releases.len())
        .and(read.recommended(Arch::Amd64).is_some())
        .and(read.unverified(&user, Arch::Amd64).is_some())
}

fn said(input: &[u8]) -> Shape {
    let (what, rest) = order(input);
    let text = String::from_utf8_lossy(rest);
    match what.split(' ').next().unwrap_or_default() {
        "range" => {
            let start = what.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            let found = parse::content_range(&text, start);
            if let Some(parse::ContentRange { total }) = found {
                let numbers: Vec<u64> =
                    text.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
                assert_eq!(numbers.first(), Some(&start), "it begins where it was asked to");
                assert_eq!(total, numbers.get(2).copied());
                assert!(
                    numbers[1] >= start && total.is_none_or(|total| numbers[1] < total),
                    "it ends inside"
                );
            }
            Shape::of("range").and(found.map(|rest| rest.total.is_some()))
        }
        "status" => {
            let found = parse::status_line(rest);
            if let Some(status) = found {
                assert!(text.contains(status.as_str()) && text.contains("HTTP/1."));
            }
            Shape::of("status").and(found.map(|status| status.as_u16() / 100))
        }
        "releases" => {
            let found = parse::newest(rest);
            match &found {
                Ok(version) => {
                    // What this program does not look at may be no text at all, which only a reader of all of it minds.
                    let list: Vec<serde_json::Value> = serde_json::from_slice(rest).unwrap_or_default();
                    let is = |release: &serde_json::Value, key: &str| release[key].as_bool() == Some(true);
                    let published = list.iter().filter(|r| !is(r, "draft") && !is(r, "prerelease"));
                    let tags: Vec<Version> = published
                        .filter_map(|r| r["tag_name"].as_str().filter(|t| t.len() <= 64)?.parse().ok())
                        .collect();
                    assert!(
                        tags.iter().all(|tag| tag <= version) && (tags.contains(version) || list.is_empty())
                    );
                }
                Err(why) => assert!(!why.is_empty()),
            }
            Shape::of("releases")
                .and(found.as_ref().map_err(|why| why.split(' ').next().map(str::to_owned)).map(|_| ()))
        }
        _ => later(&text),
    }
}

/// Two lines: `Retry-After` and `Date`.
fn later(text: &str) -> Shape {
    let mut headers = HeaderMap::new();
    for (name, line) in [RETRY_AFTER, DATE].into_iter().zip(text.split('\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line.as_bytes()) {
            headers.insert(name, value);
        }
    }
    let asked = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let found = parse::RetryAfter::from_headers(&headers);
    assert_eq!(found.is_some(), asked.is_some());
    match (&found, asked) {
        (Some(parse::RetryAfter::In(time)), Some(asked)) => {
            if let Ok(seconds) = asked.parse() {
                assert_eq!(*time, Duration::from_secs(seconds));
            }
            assert!(found.iter().all(|later| later.to_string().starts_with("in ")));
        }
        (Some(parse::RetryAfter::At(words)), Some(asked)) => {
            assert!(words.chars().count() <= 40 && asked.starts_with(words.as_str()));
            assert!(asked.parse::<u64>().is_err());
        }
        _ => {}
    }
    Shape::of("later").and(found.as_ref().map(std::mem::discriminant)).and(headers.len())
}

/// The primary fingerprint in the corpus.
const PRIMARY: &str = "AC404C1C0BF735C63FF4D562263D6DF2E163E1EA";

fn signature(input: &[u8]) -> Shape {
    let path = Utf8Path::new;
    let code = input.first().filter(|code| (1..=8).contains(*code)).map_or(0, |code| i32::from(*code) - 1);
    let text = String::from_utf8_lossy(if input.first().is_some_and(|b| (1..=8).contains(b)) {
        &input[1..]
    } else {
        input
    });
    let verdict = judge(&Machine::bare("$gpgv", input), path("/key"), PRIMARY, path("/sig"), path("/file"));
    let has = |word: &str| {
        text.lines().any(|l| {
            l.strip_prefix("[GNUPG:] ").is_some_and(|l| l.split_ascii_whitespace().next() == Some(word))
        })
    };
    let is_bad = ["BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"].into_iter().any(has);
    match verdict {
        Ok(Signature::Good) => {
            assert!(
                code == 0 && has("GOODSIG") && has("VALIDSIG"),
                "good is only what gpgv calls good in all its ways"
            );
            assert!(!is_bad && !has("NO_PUBKEY") && !has("ERRSIG"), "and in none of them bad");
            let named = text.lines().any(|l| {
                let words: Vec<&str> = l.split_ascii_whitespace().collect();
                l.starts_with("[GNUPG:] VALIDSIG ")
                    && matches!(words.as_slice(), [.., "8" | "9" | "10", "00", primary] if *primary == PRIMARY)
            });
            assert!(named, "of the right key, with a strong hash, over bytes");
            Shape::of("good")
        }
        Ok(Signature::Bad { why }) => {
            assert!(is_bad || has("ERRSIG") || has("VALIDSIG") || has("GOODSIG") || has("NEWSIG"));
            Shape::of(why)
        }
        Ok(Signature::UnknownKey { .. }) => {
            assert!(!is_bad && (has("NO_PUBKEY") || has("VALIDSIG")));
            Shape::of("unknown")
        }
        Err(_) => Shape::of("none").and(code).and(has("GOODSIG")).and(has("VALIDSIG")),
    }
}

/// An address that a person gave as `--mirror`: what is accepted is https, and no password is shown or written down.
fn address(input: &[u8]) -> Shape {
    // Tabs and line ends in an address are nothing to who reads it, and would only hide things from the laws.
    let text = String::from_utf8_lossy(input).replace(['\t', '\n', '\r'], "");
    let checked = check_mirror(&text);
    let url = Url::parse(&text).ok();
    let kept = RunOptions { mirror: Some(text.clone()), ..RunOptions::default() }
        .without_secrets()
        .mirror
        .unwrap_or_default();
    // What stands before the last @ of the part that names the host.
    let is_scheme = |at: &usize| {
        let scheme = text[..*at].strip_suffix(':');
        scheme.is_some_and(|scheme| scheme.bytes().all(|b| b.is_ascii_alphanumeric()))
    };
    let begin = text.find("//").filter(is_scheme).map_or(0, |at| at + 2);
    let authority = text[begin..].split(['/', '\\', '?', '#']).next().unwrap_or_default();
    // A host is shown as it is meant: in small letters, decoded; a scheme in small letters.
    let is_host = |host: &str| {
        let meant = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host.contains("secret") || meant.contains("secret")
    };
    let has_secret =
        authority.rsplit_once('@').is_some_and(|(user, host)| user.contains("secret") && !is_host(host));
    let count = |text: &str| text.to_ascii_lowercase().matches("secret").count();
    // Scheme and host are shown; a path is not.
    let may_show = |url: &Url| url.host_str().is_none() || url.scheme().contains("secret");
    let elsewhere = count(&text) > count(authority) && url.as_ref().is_none_or(may_show);
    let shape =
        Shape::of(checked.is_ok()).and(has_secret).and(url.as_ref().map(|url| url.scheme() == "https"));
    match checked {
        Ok(()) => {
            let url = url.expect("what is accepted is an address");
            assert!(url.scheme() == "https" && url.query().is_none() && url.fragment().is_none());
            let kept = Url::parse(&kept).expect("what is kept is an address");
            assert!(
                kept.username().is_empty() && kept.password().is_none(),
                "a password is written down: {kept}"
            );
            let place = |url: &Url| (url.host_str().map(str::to_owned), url.port());
            assert_eq!(place(&kept), place(&url), "what is kept is the same host");
            // A path may hold a token.
            assert!(matches!(kept.path(), "/" | "/%E2%80%A6"), "a path is written down: {kept}");
            shape.and(url.password().is_some()).and(url.path().len() > 1)
        }
        Err(error) => {
            let shown = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(!shown.trim().is_empty());
            assert!(!has_secret || elsewhere || !shown.contains("secret"), "a password is shown: {shown}");
            shape.and(std::mem::discriminant(&error))
        }
    }
}
