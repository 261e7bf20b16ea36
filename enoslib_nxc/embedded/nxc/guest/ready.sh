#!@base@/usr/bin/busybox sh
# One line on the console for those who watch it, once sshd listens.
read -r role < /etc/nxc/role
read -r host < /proc/sys/kernel/hostname
read -r boot_id < /proc/sys/kernel/random/boot_id
echo "nxc-ready $host role=$role boot_id=$boot_id" > /dev/console
