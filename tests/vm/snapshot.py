"""The watched part of a machine's tree: everything that setup or the manual steps may touch: bytes, mode and owner."""
import re

WATCHED = ["/etc", "/home/dev", "/root", "/opt", "/usr/local", "/usr/lib/modules-load.d", "/usr/lib/sysctl.d", "/var/lib/systemd", "/var/lib/kind-wsl",
           "/mnt/c/Users/dev"]
# What may differ though kind-wsl took everything back, and why. Whatever is excused is printed.
EXCUSED = [
    (r"/home/dev/\.local(/share)?", "holds podman's own storage"),
    (r"/home/dev/\.local/share/containers(/.*)?", "podman's own storage"),
    (r"/home/dev/\.config(/cni(/.*)?)?|/home/dev/\.cache(/containers(/.*)?)?", "the user's podman's own networks and caches"),
    (r"/etc/cni(/net\.d(/cni\.lock)?)?|/etc/containers(/networks(/netavark\.lock)?)?", "root's podman's own locks: its package starts it at boot"),
    (r"/home/dev/\.kube(/.*)?", "kind's own kubeconfig"),
    (r"/home/dev/\.sudo_as_admin_successful", "sudo's own note of its first use"),
    (r"/etc/(ld\.so\.cache|machine-id|\.pwd\.lock|\.updated)", "written by ldconfig, systemd and passwd at their first run"),
    (r"/etc/apparmor\.d/local(/.*)?", "empty files for the user's own rules, made by the scripts of packages that were brought (passt)"),
    (r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-", "passwd's own copy of the file before"),
    (r"/var/lib/systemd/(random-seed|timers(/.*)?|catalog(/.*)?|timesync(/.*)?|linger|rfkill|backlight|coredump|pstore|ephemeral-trees)", "systemd's own state"),
]


def of_home(home):
    """The excuses for the home of another user."""
    return [(pattern.replace("/home/dev", home), why) for pattern, why in EXCUSED if "/home/dev" in pattern]


class Snapshot:
    def __init__(self, machine, watched=WATCHED):
        paths = " ".join(f"$(ls -d {p} 2>/dev/null)" for p in watched)
        prune = "-path '/home/*/.local/share/containers' -prune -o"
        script = f"find {paths} -xdev {prune} -printf '%y\\0%m\\0%U\\0%G\\0%l\\0%p\\0'; echo; find {paths} -xdev {prune} -type f -print0 | sort -z | xargs -0 sha256sum -z"
        listing, hashes = machine.root(script, timeout=120).out.split("\0\n", 1)
        fields = listing.split("\0")
        self.entries = {}
        for i in range(0, len(fields) - 5, 6):
            kind, mode, uid, gid, link, path = fields[i:i + 6]
            self.entries[path] = [kind, mode, uid, gid, link, ""]
        for line in hashes.split("\0"):
            if line:
                digest, path = line.split("  ", 1)
                self.entries[path][5] = digest

    def differences(self, later):
        """[(path, what)] from here to `later`."""
        found = []
        for path in sorted(self.entries.keys() | later.entries.keys()):
            a, b = self.entries.get(path), later.entries.get(path)
            if a == b:
                continue
            if a is None or b is None:
                found.append((path, "new" if a is None else "gone"))
            else:
                names = ["type", "mode", "owner", "group", "link", "bytes"]
                found.append((path, ", ".join(f"{n} {x[:12]} -> {y[:12]}" for n, x, y in zip(names, a, b) if x != y)))
        return found


def sort_out(differences, excuses=()):
    """(unexplained, explained): each [(path, what[, why])]."""
    unexplained, explained = [], []
    for path, what in differences:
        why = next((why for pattern, why in [*EXCUSED, *excuses] if re.fullmatch(pattern, path)), None)
        if why:
            explained.append((path, what, why))
        else:
            unexplained.append((path, what))
    return unexplained, explained


def summary(explained):
    """One line for each excuse: how many paths, and the first ones."""
    groups = {}
    for path, _, why in explained:
        groups.setdefault(why, []).append(path)
    return "\n".join(f"{why}: {len(paths)} path(s): {', '.join(paths[:4])}{' …' if len(paths) > 4 else ''}" for why, paths in groups.items())
