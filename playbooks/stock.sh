# Has a machine that keeps its own system know a deployment, or takes that back: the names of
# its machines, and its key for root. What is ours in a file stands first, between two marks, so
# that what follows stays as it is, byte for byte. Runs again without harm.
#
# Before it: set ACTION (look: say what is there; join; leave), NAME and TOKEN (of the
# deployment); for join HOSTS (lines "ADDRESS NAME"), NAMES (in one line), and KEY (private; ""
# for none), PUBLIC (its line) and KNOWN (lines for known_hosts).
set -eu
umask 077
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/run/current-system/sw/bin
begin="# begin enoslib-nxc $NAME $TOKEN"
end="# end enoslib-nxc $NAME $TOKEN"
ssh=~root/.ssh
key=$ssh/enoslib-nxc-$TOKEN

# fixed FILE: tell whether it cannot be written, or nothing be put beside it
fixed() {
    file=$(readlink -f "$1")
    [ ! -w "${file%/*}" ] || { [ -e "$file" ] && [ ! -w "$file" ]; }
}

# begins FILE: say the first line of our block, with what was made for it
begins() { grep "^# begin enoslib-nxc [^ ]* $TOKEN" "$1" 2> /dev/null || :; }

# replace FILE NEW: whole or not at all; not where a file is a mount of its own (a container)
replace() { mv -f "$2" "$1" 2> /dev/null || { cat "$2" > "$1" && rm -f "$2"; }; }

# put FILE MODE MADE TEXT: have TEXT as our block in FILE, or no block for no TEXT. MADE says
# what was made for it before FILE itself, whose MODE is for a new one.
put() {
    file=$(readlink -f "$1") made=$3
    if [ -e "$file" ]; then
        first=$(begins "$file")
        [ -z "$first" ] || made=${first#"$begin"}
        if [ -n "$first" ] && ! grep -qx "$end" "$file"; then
            echo "$file has '$first' and no '$end': mend it by hand" >&2
            exit 1
        fi
        cp -a "$file" "$file.enoslib-nxc"
    elif [ -n "$4" ]; then
        made="$3 +file"
        touch "$file" "$file.enoslib-nxc"
        chmod "$2" "$file" "$file.enoslib-nxc"
    else
        return 0
    fi
    {
        [ -z "$4" ] || printf '%s\n' "$begin$made" "$4" "$end"
        sed "/^# begin enoslib-nxc [^ ]* $TOKEN/,/^# end enoslib-nxc [^ ]* $TOKEN\$/d" "$file"
    } > "$file.enoslib-nxc"
    if [ -z "$4" ] && [ ! -s "$file.enoslib-nxc" ] && [ "$made" != "${made%+file}" ]; then
        rm -f "$file" "$file.enoslib-nxc"
    elif [ "$(sha256sum < "$file")" = "$(sha256sum < "$file.enoslib-nxc")" ]; then
        rm -f "$file.enoslib-nxc"
    else
        replace "$file" "$file.enoslib-nxc"
    fi
}

join() {
    put /etc/hosts 0644 "" "$HOSTS"
    [ -n "$KEY" ] || return 0
    directory=
    [ -d "$ssh" ] || { mkdir -m 0700 "$ssh" && directory=" +directory"; }
    put "$ssh/authorized_keys" 0600 "$directory" "$PUBLIC"
    printf '%s\n' "$KEY" > "$key"
    printf '%s\n' "$PUBLIC" > "$key.pub"
    printf '%s\n' "$KNOWN" > "$key.hosts"
    # what stands first in that file counts; "Host *" gives the rest back its place
    put "$ssh/config" 0600 "" "Host $NAMES
    IdentityFile $key
    UserKnownHostsFile $key.hosts
Host *"
}

leave() {
    put /etc/hosts 0644 "" ""
    [ -d "$ssh" ] || return 0
    rm -f "$key" "$key.pub" "$key.hosts"
    directory=$(begins "$ssh/authorized_keys")
    put "$ssh/config" 0600 "" ""
    put "$ssh/authorized_keys" 0600 "" ""
    case $directory in *" +directory"*) rmdir "$ssh" 2> /dev/null || : ;; esac
}

[ "$ACTION" != join ] || join
[ "$ACTION" != leave ] || leave
! fixed /etc/hosts || echo "fixed=/etc/hosts"
echo "boot_id=$(cat /proc/sys/kernel/random/boot_id)"
for file in /etc/ssh/ssh_host_*_key.pub; do
    [ ! -r "$file" ] || echo "key=$(cut -d' ' -f1,2 "$file")"
done
for python in /run/current-system/sw/bin/python3 /usr/bin/python3 "$(command -v python3)"; do
    [ -x "$python" ] && echo "python=$python" && break
done
exit 0
