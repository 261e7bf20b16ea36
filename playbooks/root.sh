# Lets a key in as root on a node of a Grid'5000 job in its standard environment, as its user.
#
# Before it: set KEY (public key, one line).
command -v sudo-g5k > /dev/null || {
    echo "sudo-g5k is not there: this is no standard environment" >&2
    exit 1
}
printf '%s\n' "$KEY" | sudo-g5k tee -a /root/.ssh/authorized_keys > /dev/null
