# Starts a virtual machine on a host, and plugs its card into the deployment's network. The
# card is made by QEMU in the host's own namespace, where ssh to the machine is forwarded, and
# goes with it.
#
# Before it: set COMMAND (QEMU's command line, quoted for a shell), CONSOLE (file), CARD (name
# of the interface), NAMESPACE and MTU (bytes).
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/run/current-system/sw/bin
umask 077
mkdir -p "$(dirname "$CONSOLE")" || exit
rm -f "$CONSOLE" # what an earlier boot said is no news of this one
eval "set -- $COMMAND"
"$@" < /dev/null || exit
ip link set "$CARD" netns "$NAMESPACE" && ip -n "$NAMESPACE" link set "$CARD" mtu "$MTU" master br0 up
