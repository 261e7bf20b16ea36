# Prints the indented string of `boot.initrd.postMountCommands` as Nix would evaluate it:
# ''${ is ${, ''' is '', the common indentation goes. A real ${ comes out as @{, for the
# caller to refuse.
/boot\.initrd\.postMountCommands = ''$/ { inside = 1; next }
inside && /^ *'';/ { inside = 0 }
inside {
  line = $0
  gsub(/''\$\{/, "\001", line)
  gsub(/\$\{/, "@{", line)
  gsub(/\001/, "${", line)
  gsub(/'''/, "''", line)
  lines[++n] = line
  if (line ~ /[^ ]/) {
    match(line, /^ */)
    if (min == "" || RLENGTH < min) min = RLENGTH
  }
}
END { for (i = 1; i <= n; i++) print substr(lines[i], min + 1) }
