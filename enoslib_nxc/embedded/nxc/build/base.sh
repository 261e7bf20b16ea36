# The tree that all roles share: packages unpacked, and by hand the little of their
# maintainer scripts that matters.
unpack_all "$out"
cd "$out"

# systemd does only what our units ask for: no generators, no units wanted by packages
system=usr/lib/systemd/system
rm -rf usr/lib/systemd/{system,user}-generators $system/*.wants usr/lib/systemd/user
rm -f $system/ssh{,@}.{service,socket} $system/systemd-{firstboot,sysusers,repart}.service

rm -rf boot dev home media mnt opt proc root run srv sys tmp usr/games usr/include usr/src \
  usr/local var/cache var/lib/dpkg usr/share/{gcc,gdb,debconf,initramfs-tools,bug,common-licenses} \
  etc/{init.d,rc?.d,systemd,update-motd.d,initramfs-tools,kernel,apt,dpkg,pam.conf}
mkdir -p etc/systemd/system etc/pam.d etc/ssh etc/profile.d

# alternatives
ln -sf mawk usr/bin/awk
ln -sf which.debianutils usr/bin/which
ln -sf less usr/bin/pager
ln -sf dash usr/bin/sh

# accounts: Debian's, root without password as in NXC's images, and those of sshd and cron
cp usr/share/base-passwd/group.master etc/group
sed 's/^root:\*:/root:x:/; s/:\*:/:x:/; s/^\(root:.*\):[^:]*$/\1:\/bin\/bash/' \
  usr/share/base-passwd/passwd.master > etc/passwd
echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >> etc/passwd
printf '%s\n' 'crontab:x:101:' '_ssh:x:102:' 'systemd-journal:x:103:' 'tcpdump:x:104:' >> etc/group
echo 'tcpdump:x:104:104::/nonexistent:/usr/sbin/nologin' >> etc/passwd
awk -F: '{ print $1 ":" ($1 == "root" ? "" : "*") ":19000:0:99999:7:::" }' etc/passwd > etc/shadow
awk -F: '{ print $1 ":*::" $4 }' etc/group > etc/gshadow

printf '%s\n' 'passwd: files' 'group: files' 'shadow: files' 'hosts: files dns' \
  'networks: files' 'protocols: files' 'services: files' > etc/nsswitch.conf
for kind in auth account password session; do
  echo "$kind required pam_unix.so nullok" > etc/pam.d/common-$kind
done
cp etc/pam.d/common-session etc/pam.d/common-session-noninteractive
cp usr/share/base-files/profile etc/profile
cat usr/share/ca-certificates/mozilla/*.crt > etc/ssl/certs/ca-certificates.crt

cp "$sshdConfig" etc/ssh/sshd_config
cp "$systemConf" etc/systemd/system.conf
cp "$units"/* etc/systemd/system/
cd etc/systemd/system
mkdir multi-user.target.wants sockets.target.wants
ln -s /usr/lib/systemd/system/multi-user.target default.target
ln -s ../sshd.service ../nxc-ready.service /usr/lib/systemd/system/cron.service \
  multi-user.target.wants/
ln -s /usr/lib/systemd/system/systemd-journald{,-dev-log}.socket sockets.target.wants/
ln -s sshd.service ssh.service
# what sshd does not need starts once the machine can be reached; the journal's sockets are
# there from the start, and hold what is written to them
for unit in cron systemd-journald; do
  mkdir $unit.service.d
  printf '%s\n' '[Unit]' 'After=nxc-ready.service' > $unit.service.d/nxc.conf
done
cd "$out"

ln -s "$modules/lib/modules" usr/lib/modules

# byte code, which packages make when they are configured; one process: the same each time
version=$(basename usr/lib/python3.*)
rm -rf usr/lib/"$version"/{test,idlelib,lib2to3,tkinter,turtledemo,ensurepip,config-*}
PYTHONHASHSEED=0 PYTHONHOME=$out/usr \
  usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 \
  --library-path "$out/usr/lib/x86_64-linux-gnu" "usr/bin/$version" -m compileall -q \
  --invalidation-mode unchecked-hash -s "$out" -p / "$out/usr/lib/$version" "$out/usr/lib/python3"

tidy "$out"
