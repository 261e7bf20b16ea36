# NFSv3, by the kernel: homes and a store, below /export.
set -eu
modprobe nfsd
mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
mkdir -p /var/lib/nfs
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
exportfs -ra
rpc.nfsd --no-nfs-version 4 2
