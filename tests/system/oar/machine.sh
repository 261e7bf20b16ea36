#!/usr/bin/env bash
# A machine with OAR on it, for the time that standard input stays open.
#
#   unshare --mount --pid --net --fork --mount-proc --kill-child machine.sh USER...
#
# Whatever OAR insists on having (its port, its users, /etc/oar, /var/lib/oar) is made over the
# host's in memory, where only this process and its children see it: with it, all is gone.
# Prints "ready" when the database is there; the scheduler starts on the next line of input.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
exec 3>&1 >&2

# what is written to these goes to memory; the rest is empty
mount -t tmpfs tmpfs /mnt
for directory in etc var; do
    mkdir -p "/mnt/$directory/upper" "/mnt/$directory/work"
    mount -t overlay overlay "/$directory" -o \
        "lowerdir=/$directory,upperdir=/mnt/$directory/upper,workdir=/mnt/$directory/work"
done
for directory in /run /home /tmp; do mount -t tmpfs tmpfs "$directory"; done
chmod 1777 /tmp
ln -sf /usr/share/zoneinfo/Europe/Paris /etc/localtime  # as on Grid'5000
ip link set lo up
for user in "$@"; do useradd --create-home --shell /bin/bash "$user"; done

# PostgreSQL: nobody else reaches it, so anybody may log in, and nothing need be kept
postgres=$(ls -d /usr/lib/postgresql/*/bin | tail -1)
install -d -o postgres /run/postgresql /tmp/postgresql
as_postgres() { (cd /tmp && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
as_postgres "$postgres/initdb" -D /tmp/postgresql -A trust -E UTF8 --no-sync > /dev/null
as_postgres "$postgres/pg_ctl" -D /tmp/postgresql -w -s -l /tmp/postgresql/log \
    -o "-F -c listen_addresses=127.0.0.1 -c timezone=Europe/Paris" start

# OAR: every node is this machine, and has no cpusets
cat > /etc/oar/here << 'EOF'
#!/bin/bash
# in place of ssh: leave out the options and the host's name
while [[ ${1-} == -* ]]; do shift; done
shift
exec bash -c "$*"
EOF
chmod +x /etc/oar/here
set_to() { sed -i "/^$1=/d" /etc/oar/oar.conf; echo "$1=\"$2\"" >> /etc/oar/oar.conf; }
unset_all() { for key in "$@"; do sed -i "/^$key=/d" /etc/oar/oar.conf; done; }
unset_all JOB_RESOURCE_MANAGER_PROPERTY_DB_FIELD CPUSET_PATH PINGCHECKER_SENTINELLE_SCRIPT_COMMAND
set_to DB_BASE_PASSWD oar
set_to DB_BASE_PASSWD_RO oar_ro
set_to OPENSSH_CMD /etc/oar/here
set_to PINGCHECKER_GENERIC_COMMAND /bin/true
set_to FINAUD_FREQUENCY 0
set_to LOG_LEVEL 2
set_to OARSUB_DEFAULT_RESOURCES /nodes=1
set_to OARSUB_NODES_RESOURCES host
set_to SCHEDULER_MIN_TIME_BETWEEN_2_CALLS 0
set_to WALLTIME_CHANGE_ENABLED YES
set_to WALLTIME_MAX_INCREASE -1
oar-database --create --db-is-local -y > /dev/null
echo ready >&3

read -r
Almighty > /tmp/almighty.log 2>&1 &
for _ in {1..100}; do
    (exec 4<> /dev/tcp/localhost/6666) 2> /dev/null && break
    sleep 0.1
done
echo started >&3
read -r || true
