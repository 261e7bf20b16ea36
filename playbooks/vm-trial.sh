# Says "kvm" if QEMU can run a guest with KVM on this host: by a kernel that greets. The verdict
# is kept beside what is started there.
#
# Before it: set COMMAND (of the trial, quoted for a shell), SECONDS_LEFT, CONSOLE (file that it
# writes), WORDS (the greeting) and VERDICT (file).
umask 077
[ -r /dev/kvm ] && [ -w /dev/kvm ] || exit 0
if [ ! -e "$VERDICT" ]; then
    rm -f "$CONSOLE"
    eval "set -- $COMMAND"
    timeout -k 1 "$SECONDS_LEFT" "$@" < /dev/null > /dev/null 2>&1
    { grep -aq "$WORDS" "$CONSOLE" && echo kvm || echo tcg; } > "$VERDICT" 2> /dev/null
    rm -f "$CONSOLE"
fi
grep -x kvm "$VERDICT"
exit 0
