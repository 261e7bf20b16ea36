#!/bin/sh
# In place of kexec(8) on a host of benchmarks.lab.hosts: the host's keeper boots what was loaded.
# What is loaded is read, as the kernel does. /run/lab is the host's directory at its keeper.
set -e
action=
for word in "$@"; do
    case $word in
        --initrd=*) initrd=${word#--initrd=} ;;
        --append=* | --command-line=*) line=${word#*=} ;;
        -l | -e | -u) action=$word ;;
        -*) ;;
        *) kernel=$word ;;
    esac
done
case $action in
    -l)
        cat "$kernel" "$initrd" > /dev/null
        printf '%s\n' "$line" > /run/lab/loading
        mv /run/lab/loading /run/lab/loaded
        ;;
    -u) rm -f /run/lab/loaded ;;
    # the first process of a host is its sshd: with it all of its processes end
    -e) [ -e /run/lab/loaded ] && kill -TERM 1 ;;
esac
