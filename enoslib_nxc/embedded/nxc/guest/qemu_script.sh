#!/bin/sh
# Starts one machine; the environment is that of NXC's qemu_script.
: "${NAME:=nixos}" "${VM_ID:=1}" "${MEM:=1024}" "${HOSTFWDPORT:=22021}"
: "${KERNEL:=@kernel@}" "${QEMU:=qemu-system-x86_64}"
: "${INITRD:?is not set}"
: "${QEMU_VDE_SOCKET:=/tmp/kexec-qemu-vde1.ctl}"
if [ ! -S "$QEMU_VDE_SOCKET/ctl" ]; then
  vde_switch -s "$QEMU_VDE_SOCKET" --dirmode 0700 < /dev/null &
  sleep 1
fi
append="ip=192.168.1.$VM_ID::192.168.1.254:255.255.255.0::eth1:off net.ifnames=0"
append="$append console=tty0 console=ttyS0,115200n8 $FLAVOUR $ROLE $DEBUG_INITRD $DEPLOY"
append="$append $QEMU_APPEND $ADDITIONAL_KERNEL_PARAMS"
if [ ${#append} -gt "${MAX_LENGTH_APPEND:=2047}" ]; then
  echo "kernel parameters are too long: ${#append} > $MAX_LENGTH_APPEND" >&2
  exit 1
fi
# shellcheck disable=SC2086 # options
exec "$QEMU" -accel kvm -accel tcg -name "$NAME" -m "$MEM" -kernel "$KERNEL" -initrd "$INITRD" \
  -append "$append" -nographic -no-reboot -device virtio-rng-pci \
  -netdev user,id=user0,restrict=on,hostfwd=tcp:127.0.0.1:$((HOSTFWDPORT + VM_ID))-:22 \
  -device virtio-net-pci,netdev=user0,addr=0x10 \
  -netdev vde,id=vlan1,sock="$QEMU_VDE_SOCKET" \
  -device virtio-net-pci,netdev=vlan1,addr=0x11,mac="52:54:00:12:01:$(printf %02x "$VM_ID")" \
  $QEMU_OPTS
