# fstab FILE PLACE LINE: the line for a mount point.
fstab() {
  edit "$1" "$lines"'
    function at(p) { if (p ~ /^\/+$/) return "/"; sub(/\/+$/, "", p); return p }
    function fields(s) { s = trim(s); gsub(/[ \t]+/, " ", s); return s }
    END {
      want = ENVIRON["want"]
      for (i = 1; i <= n; i++) {
        if (line[i] ~ /^[ \t]*#/) continue
        if (index(line[i], "\\")) exit 3
        if (fields(line[i]) == fields(want)) { all(); exit }
        if (!found && split(trim(line[i]), column, /[ \t]+/) > 1 && at(column[2]) == at(ENVIRON["place"])) found = i
      }
      if (found) line[found] = want
      else if (n) add(n, want, first)
      else tail = want first
      all()
    }' "place=$2" "want=$3"
}

# subid FILE OTHER FROM COUNT: one more range for the user, the same in both files. It has no ID of another range, of an
# account or of a group.
subid() {
  other=/dev/null
  [ ! -e "$root$2" ] || other=$root$2
  edit "$1" "$lines"'
    function own(o) { return o == ENVIRON["name"] || o == ENVIRON["number"] }
    function block(from, to) { taken++; start[taken] = from; end[taken] = to }
    function take(s,  c) {
      if (s !~ /^[^:]+:[0-9]+:[0-9]+$/) return 0
      split(s, c, ":")
      # A whole range of their own in one file is the one that the other file gets too.
      if (own(c[1]) && c[3] + 0 >= need) { if (!wants) wants = c[2] + 0; return 1 }
      block(c[2] + 0, c[2] + c[3])
      return 0
    }
    END {
      need = ENVIRON["count"] + 0; free = ENVIRON["from"] + 0
      for (i = 1; i <= n; i++) if (take(line[i])) whole = 1
      if (whole) { all(); exit }
      while ((getline s < ENVIRON["other"]) > 0) { sub(/\r$/, "", s); take(s) }
      ids = "cat \"$tree/etc/passwd\" \"$tree/etc/group\"; [ -n \"$tree\" ] || { getent passwd; getent group; }"
      while ((("{ " ids "; } 2>/dev/null") | getline s) > 0) {
        split(s, c, ":")
        for (i = 3; i <= 4; i++) if (c[i] ~ /^[0-9]+$/) block(c[i] + 0, c[i] + 1)
      }
      if (wants) free = wants
      do { moved = 0; for (i = 1; i <= taken; i++) if (start[i] < free + need && free < end[i]) { free = end[i]; moved = 1 } } while (moved)
      new = sprintf("%s:%.0f:%d", ENVIRON["name"], free, need)
      if (n) add(n, new, first)
      else tail = new first
      all()
    }' "other=$other" "from=$3" "count=$4" "name=$user" "number=$uid" "tree=$root"
}
