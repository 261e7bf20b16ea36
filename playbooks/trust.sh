# Takes what NXC publishes with every image off this machine, and lets the machines of this
# deployment reach each other with a key of their own. Runs again without harm.
# Few programs are started: a machine under emulation feels each of them.
#
# Before it: set PRIVATE_KEY and PUBLIC_KEY (the deployment's), AUTHORIZED (all keys to keep).
set -eu
umask 077
install -d -m 0700 /root/.ssh /run/enoslib-nxc

# exactly the keys of this deployment: NXC's published root key is not among them
printf '%s\n' "$AUTHORIZED" > /root/.ssh/authorized_keys.new
mv -f /root/.ssh/authorized_keys.new /root/.ssh/authorized_keys

# NXC leaves its published private key in id_rsa: anyone's key is worse than none
set -- /root/.ssh/id_rsa*
[ ! -e "$1" ] || rm -f /root/.ssh/id_rsa /root/.ssh/id_rsa.pub
printf '%s\n' "$PRIVATE_KEY" > /root/.ssh/id_ed25519
printf '%s\n' "$PUBLIC_KEY" > /root/.ssh/id_ed25519.pub

# an empty root password becomes an impossible one (the consoles of NXC images accept it);
# not "!", which an sshd without PAM takes for a locked account and refuses keys too
sed -i 's/^root:[^:]*:/root:*:/' /etc/shadow
echo "$DIGEST" > /run/enoslib-nxc/trusted
