//! The `Run` key of this account, and the approval of its values in Task Manager.

use super::{Handle, wide};
use std::ffi::OsStr;
use std::io::{self, Error};
use std::ptr::{null, null_mut};

const RUN: &str = "Software\\Microsoft\\Windows\\CurrentVersion\\Run";
const APPROVED: &str = "Software\\Microsoft\\Windows\\CurrentVersion\\Explorer\\StartupApproved\\Run";
const CURRENT_USER: Handle = 0x8000_0001_u32 as i32 as isize as Handle;
const QUERY: u32 = 1;
const SET: u32 = 2;
const STRING: u32 = 1;
const NOT_FOUND: i32 = 2;
const NO_MORE: i32 = 259;
/// The longest name of a value (learn.microsoft.com, "Registry Element Size Limits").
const MAX_NAME: usize = 16384;
/// More than any value there has; a longer one is an error.
const MAX_BYTES: usize = 64 << 10;

#[link(name = "advapi32")]
extern "system" {
    fn RegCreateKeyExW(
        key: Handle,
        path: *const u16,
        reserved: u32,
        class: *const u16,
        options: u32,
        access: u32,
        security: *const u8,
        opened: *mut Handle,
        disposition: *mut u32,
    ) -> i32;
    fn RegOpenKeyExW(key: Handle, path: *const u16, options: u32, access: u32, opened: *mut Handle) -> i32;
    fn RegQueryValueExW(
        key: Handle,
        name: *const u16,
        reserved: *const u32,
        kind: *mut u32,
        data: *mut u8,
        size: *mut u32,
    ) -> i32;
    fn RegSetValueExW(key: Handle, name: *const u16, reserved: u32, kind: u32, data: *const u8, size: u32) -> i32;
    fn RegDeleteValueW(key: Handle, name: *const u16) -> i32;
    fn RegEnumValueW(
        key: Handle,
        index: u32,
        name: *mut u16,
        length: *mut u32,
        reserved: *const u32,
        kind: *const u32,
        data: *const u8,
        size: *const u32,
    ) -> i32;
    fn RegCloseKey(key: Handle) -> i32;
}

struct Key(Handle);

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the key is open and closed once.
        unsafe { RegCloseKey(self.0) };
    }
}

fn checked(code: i32) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::from_raw_os_error(code)) }
}

/// `None` if the key or the value does not exist.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(e) if e.raw_os_error() == Some(NOT_FOUND) => Ok(None),
        other => other.map(Some),
    }
}

fn open(path: &str, access: u32) -> io::Result<Key> {
    let (path, mut key) = (wide(OsStr::new(path)), null_mut());
    // SAFETY: `path` ends with NUL; `key` is written before it is used.
    checked(unsafe { RegOpenKeyExW(CURRENT_USER, path.as_ptr(), 0, access, &mut key) }).map(|()| Key(key))
}

fn read(path: &str, name: &str) -> io::Result<Option<Vec<u8>>> {
    let key = match found(open(path, QUERY))? {
        Some(key) => key,
        None => return Ok(None),
    };
    let (name, mut data, mut size) = (wide(OsStr::new(name)), vec![0u8; MAX_BYTES], MAX_BYTES as u32);
    // SAFETY: `name` ends with NUL, `data` has `size` bytes.
    let code = unsafe { RegQueryValueExW(key.0, name.as_ptr(), null(), null_mut(), data.as_mut_ptr(), &mut size) };
    data.truncate(size as usize);
    found(checked(code).map(|()| data))
}

/// The text of a value; `None` if there is no such value.
pub fn get(name: &str) -> io::Result<Option<String>> {
    let text = |bytes: Vec<u8>| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        String::from_utf16_lossy(&units).trim_end_matches('\0').to_string()
    };
    Ok(read(RUN, name)?.map(text))
}

/// The value by which Task Manager enables or disables an entry.
pub fn approval(name: &str) -> io::Result<Option<Vec<u8>>> {
    read(APPROVED, name)
}

/// Writes a value of the type REG_SZ.
pub fn set(name: &str, text: &str) -> io::Result<()> {
    let (path, name, data, mut key) =
        (wide(OsStr::new(RUN)), wide(OsStr::new(name)), wide(OsStr::new(text)), null_mut());
    let size = (data.len() * 2) as u32;
    // SAFETY: every string ends with NUL and lives through the calls; `data` has `size` bytes; the key is closed once.
    unsafe {
        checked(RegCreateKeyExW(CURRENT_USER, path.as_ptr(), 0, null(), 0, SET, null(), &mut key, null_mut()))?;
        let key = Key(key);
        checked(RegSetValueExW(key.0, name.as_ptr(), 0, STRING, data.as_ptr().cast(), size))
    }
}

/// Deletes a value, if it exists.
pub fn delete(name: &str) -> io::Result<()> {
    let key = match found(open(RUN, SET))? {
        Some(key) => key,
        None => return Ok(()),
    };
    let name = wide(OsStr::new(name));
    // SAFETY: `name` ends with NUL.
    found(checked(unsafe { RegDeleteValueW(key.0, name.as_ptr()) })).map(drop)
}

/// The names of all values.
pub fn names() -> io::Result<Vec<String>> {
    let key = match found(open(RUN, QUERY))? {
        Some(key) => key,
        None => return Ok(Vec::new()),
    };
    let (mut all, mut buffer) = (Vec::new(), vec![0u16; MAX_NAME]);
    for index in 0.. {
        let mut length = MAX_NAME as u32;
        // SAFETY: `buffer` has `length` places; the pointers that may be null are.
        let code =
            unsafe { RegEnumValueW(key.0, index, buffer.as_mut_ptr(), &mut length, null(), null(), null(), null()) };
        if code == NO_MORE {
            break;
        }
        checked(code)?;
        all.push(String::from_utf16_lossy(&buffer[..length as usize]));
    }
    Ok(all)
}
