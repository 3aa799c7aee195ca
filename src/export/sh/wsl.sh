# WSL's grammar as far as it is plain: names of letters and digits, no quotes, no escapes; the first of several counts.
wsl_lines='
  END {
    section = tolower(ENVIRON["section"]); key = section "." tolower(ENVIRON["key"])
    for (i = 1; i <= n; i++) {
      s = line[i]
      if (s ~ /^[ \t]*$/) continue
      last = s
      if (s ~ /^[ \t]*#/) {
        default_of = s; sub(/^[# \t]+/, "", default_of)
        if (mine && sub(/[ \t]*=.*/, "", default_of) && tolower(default_of) == tolower(ENVIRON["key"])) shown = i
        continue
      }
      if (s ~ /^[ \t]*\[[A-Za-z][A-Za-z0-9]*\][ \t]*(#.*)?$/) {
        at = s; sub(/^[ \t]*\[/, "", at); sub(/\].*/, "", at); at = tolower(at)
        mine = at == section && !header
        if (mine) header = anchor = i
        continue
      }
      if (s !~ /^[ \t]*[A-Za-z][A-Za-z0-9]*[ \t]*=[^"\\]*$/) exit 3
      if (mine) anchor = i
      name = s; sub(/=.*/, "", name); column = length(name); size = length(trim(name))
      style(at == section); style(0); name = tolower(trim(name))
      if (at != "") name = at "." name
      if (name != key) continue
      same[i] = 1
      if (found) continue
      found = i
      match(s, /=[ \t]*/)
      before = substr(s, 1, RSTART + RLENGTH - 1); raw = after = substr(s, RSTART + RLENGTH)
      sub(/#.*/, "", raw); sub(/[ \t]+$/, "", raw)
      after = substr(after, length(raw) + 1)
      if (raw ~ /[ \t];/) exit 3
    }
    if (!n || eol[1] == "") first = ENVIRON["eol"] == "crlf" ? "\r\n" : "\n"
  }
  # How the neighbors are written: those of the same section (1), or all (0). Columns are for kind-wsl to align.
  function style(which) {
    if (which && seen[1] && column == columns && size != sizes) uneven = 1
    if (which && seen[1] && column != columns) ragged = 1
    columns = which ? column : columns; sizes = which ? size : sizes
    seen[which] = 1
    indent[which] = s; sub(/[^ \t].*/, "", indent[which])
    equals[which] = (s ~ /^[^=]*[ \t]=/ ? " =" : "=") (s ~ /^[^=]*=[ \t]/ ? " " : "")
  }
  function entry(value,  which) {
    which = seen[1] ? 1 : 0
    if (uneven && !ragged) exit 3
    return indent[which] ENVIRON["key"] (equals[which] == "" ? "=" : equals[which]) value
  }
  function set(value,  new) {
    if (value ~ /[#"\\]|^[ \t]|[ \t]$/) exit 3
    if (found) {
      if (raw != value) line[found] = before value (raw == "" && after ~ /^#/ ? " " : "") after
    } else if (header) {
      if (shown) anchor = shown
      add(anchor, entry(value), eol[anchor] == "" ? first : eol[anchor])
    } else {
      if (last ~ / (vim|vi|ex):/) exit 3
      new = "[" ENVIRON["section"] "]" first entry(value)
      tail = !n ? new first : eol[n] == "" ? first first new : (line[n] ~ /^[ \t]*$/ ? "" : first) new first
    }
  }
  # The last token of the same name gives way, as the kernel takes the last; any other goes to the end.
  function merge(text, words,  list, count, i, token, name, rest, done, at, size, hit) {
    count = split(words, list, " ")
    for (i = 1; i <= count; i++) {
      token = list[i]; name = token; hit = 0
      if (!sub(/=.*/, "", name)) name = ""
      gsub(/-/, "_", name)
      rest = text; done = 0
      while (match(rest, /[^ \t]+/)) {
        at = done + RSTART; size = RLENGTH
        part = substr(rest, RSTART, RLENGTH)
        if (part == "--") exit 3
        rest = substr(rest, RSTART + RLENGTH); done = at + size - 1
        if (name == "") { if (part == token) hit = -1; continue }
        if (!sub(/=.*/, "", part)) continue
        gsub(/-/, "_", part)
        if (part == name) { hit = at; length_of = size }
      }
      if (hit > 0) text = substr(text, 1, hit - 1) token substr(text, hit + length_of)
      else if (!hit) text = text == "" ? token : text " " token
    }
    return text
  }
'

# wsl_key FILE EOL SECTION KEY VALUE: sets a key.
wsl_key() {
  edit "$1" "$lines$wsl_lines"' END { set(ENVIRON["value"]); all() }' "eol=$2" "section=$3" "key=$4" "value=$5"
}

# wsl_key_out FILE SECTION KEY: takes a key out, wherever it is set.
wsl_key_out() {
  edit "$1" "$lines$wsl_lines"'
    END {
      for (i = n; i; i--) if (same[i]) gone[i] = 1
      if (n && gone[n] && eol[n] == "") { for (i = n; i && gone[i]; i--); if (i) eol[i] = "" }
      all()
    }' "section=$2" "key=$3"
}

# wsl_words FILE WORD...: words of the kernel command line in .wslconfig.
wsl_words() {
  named=$1
  shift
  edit "$named" "$lines$wsl_lines"' END { set(merge(raw, ENVIRON["words"])); all() }' \
    eol=crlf section=wsl2 key=kernelCommandLine "words=$*"
}

# wsl_section_out FILE SECTION: sees that a section is not there; where it is, its end is for kind-wsl to find.
wsl_section_out() {
  edit "$1" "$lines$wsl_lines"' END { if (header) exit 3; all() }' "section=$2" key=
}

# wsl_readable FILE: sees that WSL reads the file to its end.
wsl_readable() {
  edit "$1" "$lines$wsl_lines"' END { all() }' section= key=
}
