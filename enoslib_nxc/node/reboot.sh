# Reboots the machine into the system on its disk, once ssh has ended.
PATH=$PATH:/usr/sbin:/sbin:/run/current-system/sw/bin
setsid sh -c 'sleep 1; sync; systemctl reboot || reboot -f' > /dev/null 2>&1 < /dev/null &
