# TOML as far as it is plain: bare names, one value a line.
toml_lines='
  function plain(s,  inner) {
    if (s ~ /^"[^"\\]*"$/ || s ~ /^(true|false)$/) return s
    if (s ~ /^[+-]?(0|[1-9][0-9]*)$/ && length(s) < 18) { sub(/^\+/, "", s); return s }
    if (s ~ /^\047[^\047]*\047$/) { inner = substr(s, 2, length(s) - 2); if (inner ~ /["\\]/) exit 3; return "\"" inner "\"" }
    if (s !~ /^\[.*\]$/) exit 3
    s = substr(s, 2, length(s) - 2); inner = ""
    while (match(s, /^[ \t]*"[^"\\]*"[ \t]*/)) {
      inner = inner (inner == "" ? "" : ", ") trim(substr(s, 1, RLENGTH)); s = substr(s, RLENGTH + 1)
      if (s == "") break
      if (!sub(/^,/, "", s)) exit 3
    }
    if (s !~ /^[ \t]*$/) exit 3
    return "[" inner "]"
  }
  END {
    table = ENVIRON["table"]; key = ENVIRON["key"]; value = ENVIRON["value"]
    if ((table "." key) !~ /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/) exit 3
    for (i = 1; i <= n; i++) {
      s = line[i]
      if (s ~ /^[ \t]*(#.*)?$/) {
        sub(/^[ \t]*#[ \t]*/, "", s)
        if (at == table && index(s, key) == 1 && substr(s, length(key) + 1) ~ /^[ \t]*=/) default_of = 1
        continue
      }
      if (s ~ /^[ \t]*\[/) {
        at = s; sub(/^[ \t]*\[/, "", at)
        if (at !~ /^[^]#]*\][ \t]*(#.*)?$/) exit 3
        sub(/\].*/, "", at); gsub(/[ \t]*\.[ \t]*/, ".", at); at = trim(at)
        if (("." at) !~ /^(\.[A-Za-z0-9_-]+)+$/ || at in heads) exit 3
        heads[at] = 1
        if (at == table) header = anchor = i
        continue
      }
      if (s !~ /^[ \t]*[A-Za-z0-9_-]+[ \t]*=/) exit 3
      name = s; sub(/=.*/, "", name); name = trim(name)
      full = at == "" ? name : at "." name
      if (full in keys) exit 3
      keys[full] = 1
      match(s, /=[ \t]*/)
      before = substr(s, 1, RSTART + RLENGTH - 1); last = before ~ /=$/ ? "=" : " = "; raw = substr(s, RSTART + RLENGTH)
      if (!match(raw, /^("[^"\\]*"|\047[^\047]*\047|\[[^]#\047]*\]|[A-Za-z0-9+-]+)/)) exit 3
      after = substr(raw, RLENGTH + 1); raw = substr(raw, 1, RLENGTH)
      if (after !~ /^[ \t]*(#.*)?$/) exit 3
      now = plain(raw)
      if (at != table) continue
      anchor = i; indent = s; sub(/[^ \t].*/, "", indent); equals = last
      if (name == key) { found = i; new = now == value ? line[i] : before value after }
    }
    # A name that is both a table and a value, or an inline table on the way.
    for (h in heads) { p = h; do { if (p in keys) exit 3 } while (sub(/\.[^.]*$/, "", p)) }
    p = table; do { if (p in keys) exit 3 } while (sub(/\.[^.]*$/, "", p))
    if ((table "." key) in heads) exit 3
    for (h in heads) if (index(h, table "." key ".") == 1) exit 3
    if (found) line[found] = new
    else if (header && default_of) exit 3
    else if (header) add(anchor, indent key (equals ? equals : last ? last : " = ") value, first)
    else {
      s = "[" table "]" first key (last ? last : " = ") value
      tail = !n ? s first : eol[n] == "" ? first first s : first s first
    }
    all()
  }
'

# toml FILE TABLE KEY VALUE: sets a key.
toml() {
  edit "$1" "$lines$toml_lines" "table=$2" "key=$3" "value=$4"
}
