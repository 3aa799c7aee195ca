//! A program as small as one can be: an ELF executable that prints one text, whatever it is asked.

/// For x86-64, without libraries: `write(1, text, len)`, then `exit(0)`.
#[allow(dead_code, unreachable_pub, reason = "shared by several test programs")]
#[allow(clippy::unwrap_used, reason = "tests")]
pub fn printing(text: &str) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    let code: [&[u8]; 5] = [
        &[0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0], // mov eax, 1 (write); mov edi, 1
        &[0x48, 0x8d, 0x35, 16, 0, 0, 0],      // lea rsi, [rip + 16]: what follows the code
        &[0xba],                               // mov edx, length
        &length,
        &[0x0f, 0x05, 0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05], // syscall; exit(0)
    ];
    let code = code.concat();
    let size = HEADERS + (code.len() + text.len()) as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut put = |bytes: &[u8]| elf.extend_from_slice(bytes);
    // e_type ET_EXEC, e_machine EM_X86_64, e_version, e_entry, e_phoff, e_shoff, e_flags, then six sizes and counts.
    for half in [2_u16, 62] {
        put(&half.to_le_bytes());
    }
    put(&1_u32.to_le_bytes());
    for long in [BASE + HEADERS, 64, 0] {
        put(&long.to_le_bytes());
    }
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        put(&half.to_le_bytes());
    }
    // One segment: PT_LOAD, readable and executable, the whole file.
    for word in [1_u32, 5] {
        put(&word.to_le_bytes());
    }
    for long in [0, BASE, BASE, size, size, 0x1000] {
        put(&long.to_le_bytes());
    }
    put(&code);
    put(text.as_bytes());
    elf
}

/// A crun of this version.
#[allow(dead_code, unreachable_pub, reason = "shared by several test programs")]
pub fn crun(version: &str) -> Vec<u8> {
    printing(&format!("crun version {version}\ncommit: 0\n"))
}
