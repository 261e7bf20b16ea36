# Puts a web server on each of COUNT machines of the cluster and reads a page of each: COUNT
set -euo pipefail
count=$1
kubectl() { k3s kubectl "$@"; }
joined() { [ "$(kubectl get nodes --no-headers | grep -cw Ready)" -ge "$count" ]; }

end=$((SECONDS + 300))
until joined; do
    [ "$SECONDS" -lt "$end" ] || { kubectl get nodes; exit 1; }
    sleep 1
done
kubectl apply -f /etc/hello.json > /dev/null
kubectl rollout status daemonset/hello --timeout 300s > /dev/null
kubectl get pods -l app=hello -o json | jq -r '.items[] | "\(.spec.nodeName) \(.status.podIP)"' |
    while read -r node address; do
        echo "$node: $(curl --silent --fail --max-time 10 "http://$address:8000/hostname")"
    done
