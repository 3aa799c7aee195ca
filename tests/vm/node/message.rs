//! Protocol buffers, as far as CRI's messages need them: numbers, text, messages within messages, maps from text to text.

/// A message: written field by field, or read as the list of its fields.
#[derive(Default, Clone)]
pub struct Message(Vec<u8>);

pub enum Value {
    Number(u64),
    Bytes(Vec<u8>),
}

impl Message {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn number(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    pub fn text(mut self, field: u64, value: &str) -> Self {
        self.block(field, value.as_bytes());
        self
    }

    pub fn message(mut self, field: u64, value: &Message) -> Self {
        self.block(field, &value.0);
        self
    }

    pub fn map(self, field: u64, entries: &[(&str, &str)]) -> Self {
        entries.iter().fold(self, |made, (key, value)| {
            made.message(field, &Message::default().text(1, key).text(2, value))
        })
    }

    fn block(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// `bytes` as a message, if they are one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message = Self(bytes.to_vec());
        message.fields().map(|_| message)
    }

    fn fields(&self) -> Option<Vec<(u64, Value)>> {
        let (mut rest, mut fields) = (&self.0[..], Vec::new());
        while !rest.is_empty() {
            let key = take_varint(&mut rest)?;
            let value = match key & 7 {
                0 => Value::Number(take_varint(&mut rest)?),
                1 => Value::Bytes(take(&mut rest, 8)?),
                2 => {
                    let length = take_varint(&mut rest)?;
                    Value::Bytes(take(&mut rest, length as usize)?)
                }
                5 => Value::Bytes(take(&mut rest, 4)?),
                _ => return None,
            };
            fields.push((key >> 3, value));
        }
        Some(fields)
    }

    pub fn all(&self, field: u64) -> Vec<Vec<u8>> {
        let fields = self.fields().unwrap_or_default().into_iter();
        fields
            .filter_map(|(at, value)| {
                if let (true, Value::Bytes(bytes)) = (at == field, value) { Some(bytes) } else { None }
            })
            .collect()
    }

    pub fn messages(&self, field: u64) -> Vec<Message> {
        self.all(field).into_iter().map(Message).collect()
    }

    pub fn inner(&self, field: u64) -> Message {
        self.messages(field).pop().unwrap_or_default()
    }

    pub fn string(&self, field: u64) -> String {
        self.all(field).pop().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    pub fn integer(&self, field: u64) -> u64 {
        let fields = self.fields().unwrap_or_default().into_iter();
        fields
            .filter_map(|(at, value)| {
                if let (true, Value::Number(number)) = (at == field, value) { Some(number) } else { None }
            })
            .last()
            .unwrap_or(0)
    }

    pub fn pairs(&self, field: u64) -> Vec<(String, String)> {
        self.messages(field).iter().map(|entry| (entry.string(1), entry.string(2))).collect()
    }
}

fn take(rest: &mut &[u8], count: usize) -> Option<Vec<u8>> {
    let taken = rest.get(..count)?.to_vec();
    *rest = &rest[count..];
    Some(taken)
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
