//! WSL's own reading of wsl.conf and .wslconfig, written from the description of its grammar: not the code under test.
//! A bad line ends wsl.conf up to WSL 2.9.12; from 2.9.13 on, and in .wslconfig, that line alone is skipped. The first of several
//! equal keys counts; only true, false, 1 and 0 are bools.

#[derive(Clone, Copy, PartialEq)]
pub enum Dialect {
    /// wsl.conf up to WSL 2.9.12.
    WslConf,
    /// wsl.conf from WSL 2.9.13 on: a bad line is skipped (microsoft/WSL PR 41606), and an escaped CR makes a line bad (PR 41591).
    WslConfSkip,
    WslConfig,
}

pub struct Conf {
    /// `section.key`, in lower case, and the value.
    pub values: Vec<(String, String)>,
    pub warnings: Vec<String>,
    pub complete: bool,
}

impl Conf {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    pub fn bool(&self, key: &str, default: bool) -> bool {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "1") => true,
            Some("false" | "0") => false,
            _ => default,
        }
    }
}

/// On the host: `init conf FILE wsl.conf|wsl.conf-skip|wslconfig` prints each value, one `section.key=value` a line (escaped), then two facts.
pub fn main(args: &[String]) {
    let dialect = match args[1].as_str() {
        "wsl.conf" => Dialect::WslConf,
        "wsl.conf-skip" => Dialect::WslConfSkip,
        _ => Dialect::WslConfig,
    };
    let conf = read(&std::fs::read(&args[0]).unwrap_or_default(), dialect);
    for (key, value) in &conf.values {
        let bytes = value.chars().map(|c| c as u8).flat_map(|b| match b {
            b'\\' => r"\\".to_string().into_bytes(),
            b'\n' => r"\n".to_string().into_bytes(),
            b'\t' => r"\t".to_string().into_bytes(),
            8 => r"\b".to_string().into_bytes(),
            b' '..=b'~' => vec![b],
            _ => format!("\\x{b:02x}").into_bytes(),
        });
        println!("{key}={}", String::from_utf8_lossy(&bytes.collect::<Vec<_>>()));
    }
    println!("complete={} warnings={}", conf.complete, conf.warnings.len());
}

/// The file's characters. wsl.conf is read as bytes; .wslconfig as UTF-8, or UTF-16LE after its mark, with CRLF made LF.
fn characters(bytes: &[u8], dialect: Dialect) -> Vec<char> {
    if dialect != Dialect::WslConfig {
        return bytes.iter().map(|&b| b as char).collect();
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => {
            let units: Vec<u16> = rest.chunks_exact(2).map(|p| u16::from_le_bytes([p[0], p[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.replace("\r\n", "\n").chars().collect()
}

/// Values hold one byte in each char, as WSL keeps them.
pub fn read(bytes: &[u8], dialect: Dialect) -> Conf {
    let mut conf = Conf { values: Vec::new(), warnings: Vec::new(), complete: true };
    let text = characters(bytes, dialect);
    let mut reader = Reader { text, dialect, at: 0, name: String::new(), section: 0 };
    loop {
        reader.blanks();
        let Some(c) = reader.peek() else { break };
        let line = match c {
            '\n' | '\r' => {
                reader.at += 1;
                continue;
            }
            '#' => {
                reader.rest_of_line();
                continue;
            }
            '[' => reader.header().map(|()| None),
            _ => reader.entry().map(Some),
        };
        match line {
            Ok(None) => {}
            Ok(Some((key, value))) => {
                if conf.get(&key).is_some() {
                    conf.warnings.push(format!("Duplicated config key '{key}'"));
                } else {
                    conf.values.push((key, value));
                }
            }
            Err(what) => {
                conf.warnings.push(format!("{what} near character {}", reader.at));
                if dialect == Dialect::WslConf {
                    conf.complete = false;
                    break;
                }
                reader.rest_of_line();
            }
        }
    }
    conf
}

struct Reader {
    text: Vec<char>,
    dialect: Dialect,
    at: usize,
    /// The current section, a dot, and the key being read; `section` is the length of the first. A bad header
    /// spoils `name` and leaves the length, as WSL does.
    name: String,
    section: usize,
}

type Line<T> = Result<T, &'static str>;

impl Reader {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t')) {
            self.at += 1;
        }
    }

    /// A comment or a bad line ends at a line feed; a lone carriage return, which ends a value, does not end it.
    fn rest_of_line(&mut self) {
        while !matches!(self.peek(), None | Some('\n')) {
            self.at += 1;
        }
    }

    fn word(&mut self) -> Line<()> {
        if !self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            return Err("Expected a name");
        }
        while let Some(c) = self.peek().filter(char::is_ascii_alphanumeric) {
            self.name.push(c.to_ascii_lowercase());
            self.at += 1;
        }
        Ok(())
    }

    fn header(&mut self) -> Line<()> {
        self.at += 1;
        if !self.peek().is_some_and(|c| c.is_ascii_alphabetic()) {
            return Err("Invalid section name");
        }
        self.name.clear();
        self.word()?;
        if self.peek() != Some(']') {
            return Err("Invalid section name");
        }
        self.at += 1;
        self.section = self.name.len();
        self.blanks();
        match self.peek() {
            None | Some('\n' | '\r' | '#') => Ok(()), // the comment is read as the next line
            _ => Err("Text after a section name"),
        }
    }

    fn entry(&mut self) -> Line<(String, String)> {
        self.name.truncate(self.section);
        while self.name.len() < self.section {
            self.name.push('\0');
        }
        if self.section > 0 {
            self.name.push('.');
        }
        self.word()?;
        self.blanks();
        if self.peek() != Some('=') {
            return Err("Expected =");
        }
        self.at += 1;
        self.blanks();
        let value = self.value()?;
        let name = self.name.split('\0').next().unwrap_or_default(); // WSL compares C strings
        Ok((name.to_string(), value))
    }

    fn value(&mut self) -> Line<String> {
        let (mut value, mut keep, mut quoted) = (String::new(), 0, false);
        while let Some(c) = self.peek() {
            match c {
                '\n' | '\r' if quoted => return Err("Line ends inside quotes"),
                '\n' | '\r' => break,
                '#' if !quoted => {
                    self.rest_of_line();
                    break;
                }
                '"' => quoted = !quoted,
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some(c @ ('\\' | '"')) => value.push(c),
                        Some('b') => value.push('\u{8}'),
                        Some('n') => value.push('\n'),
                        Some('t') => value.push('\t'),
                        Some('\r') if self.dialect == Dialect::WslConfSkip => {
                            return Err("Invalid escaped character");
                        }
                        Some('\n' | '\r') => {} // of CR LF only the CR is continued over: the LF then ends the value
                        _ => return Err("Invalid escaped character"),
                    }
                    keep = value.len();
                }
                c => value.push(char::from(c as u32 as u8)),
            }
            if quoted || !matches!(c, ' ' | '\t') {
                keep = value.len();
            }
            self.at += 1;
        }
        if quoted {
            return Err("File ends inside quotes");
        }
        value.truncate(keep);
        Ok(value)
    }
}
