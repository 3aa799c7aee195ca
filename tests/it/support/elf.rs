//! A program as small as one can be: an ELF executable that prints one text, whatever it is asked.

use kind_wsl::fetch::catalogue::Arch;

/// For x86-64, without libraries: `write(1, text, len)`, then `exit(0)`.
#[allow(dead_code, unreachable_pub, reason = "shared by several test programs")]
#[allow(clippy::unwrap_used, reason = "tests")]
pub fn printing(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    let code: [&[u8]; 5] = [
        &[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0], // mov eax, 1 (write); mov edi, 1
        &[0x48, 0x8d, 0x35, 16, 0, 0, 0],      // lea rsi, [rip + 16]: what follows the code
        &[0xba],                               // mov edx, length
        &length,
        &[0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05], // syscall; exit(0)
    ];
    Arch::Amd64.executable(&[&code.concat(), text.as_bytes()].concat())
}

/// A crun of this version.
#[allow(dead_code, unreachable_pub, reason = "shared by several test programs")]
pub fn crun(version: &str) -> Vec<u8> {
    printing(&format!("crun version {version}\ncommit: 0\n"))
}
