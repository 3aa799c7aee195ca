# fstab FILE PLACE LINE: the line for a mount point.
fstab() {
  edit "$1" "$lines"'
    function at(p) { if (p ~ /^\/+$/) return "/"; sub(/\/+$/, "", p); return p }
    function fields(s) { s = trim(s); gsub(/[ \t]+/, " ", s); return s }
    END {
      want = ENVIRON["want"]
      for (i = 1; i <= n && !found; i++) {
        if (line[i] ~ /^[ \t]*#/) continue
        if (index(line[i], "\\")) exit 3
        if (split(trim(line[i]), column, /[ \t]+/) > 1 && at(column[2]) == at(ENVIRON["place"])) found = i
      }
      if (found) { if (fields(line[found]) != fields(want)) line[found] = want }
      else if (n) add(n, want, first)
      else tail = want first
      all()
    }' "place=$2" "want=$3"
}

# subid FILE OTHER FROM COUNT: ids for the user where nobody else has any, the same in both files.
subid() {
  other=/dev/null
  [ ! -e "$root$2" ] || other=$root$2
  edit "$1" "$lines"'
    function own(o) { return o == ENVIRON["name"] || o == ENVIRON["number"] }
    function take(s,  c) {
      if (s !~ /^[^:]+:[0-9]+:[0-9]+$/) return 0
      split(s, c, ":")
      # A whole range of their own in one file is the one that the other file gets too.
      if (own(c[1]) && c[3] + 0 >= need) { if (!wants) wants = c[2] + 0; return 1 }
      taken++; start[taken] = c[2] + 0; end[taken] = c[2] + c[3]
      return 0
    }
    END {
      need = ENVIRON["count"] + 0; free = ENVIRON["from"] + 0
      for (i = 1; i <= n; i++) {
        if (take(line[i])) whole = 1
        if (!found && index(line[i], ENVIRON["name"] ":") == 1 && line[i] ~ /^[^:]+:[0-9]+:[0-9]+$/) found = i
      }
      if (whole) { all(); exit }
      while ((getline s < ENVIRON["other"]) > 0) { sub(/\r$/, "", s); take(s) }
      if (wants) free = wants
      do { moved = 0; for (i = 1; i <= taken; i++) if (start[i] < free + need && free < end[i]) { free = end[i]; moved = 1 } } while (moved)
      new = sprintf("%s:%.0f:%d", ENVIRON["name"], free, need)
      if (found) line[found] = new
      else if (n) add(n, new, first)
      else tail = new first
      all()
    }' "other=$other" "from=$3" "count=$4" "name=$user" "number=$uid"
}
