# Runs an S3 server until the standard input ends: Ceph's gateway, with one monitor and one storage
# daemon that keeps everything in memory. Prints `ready` when the bucket `orders` exists.
#
# Arguments: a new directory, which is removed at the end; the port of the monitor; the port of S3.
# The credentials are in the environment variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
set -eu
dir=$1 monitor=$2 gateway=$3
daemons=
export CEPH_CONF="$dir/ceph.conf"

finish() {
    status=$?
    if [ "$status" -ne 0 ]; then tail -n 40 "$dir/out" >&2; fi
    # Their data is in memory: they need not stop in order.
    if [ -n "$daemons" ]; then kill -KILL $daemons; fi
    wait
    rm -rf "$dir"
}
trap finish EXIT

daemon() {
    "$@" -f >>"$dir/out" 2>&1 &
    daemons="$daemons $!"
}

mkdir -p "$dir/mon" "$dir/osd" "$dir/rgw" "$dir/crash"
touch "$dir/keyring"
cluster=5f6c1bd0-5d7c-4c8e-8f0b-3a8a51bd6f60
osd=0a8d2c5e-16cf-4d6f-9a51-c4f0a3a1c3a7

# All listen on the loopback interface, so they need no secrets among themselves. The gateway asks
# for an encrypted connection to the monitor, which there is only with secrets.
cat >"$CEPH_CONF" <<END
[global]
fsid = $cluster
mon host = [v2:127.0.0.1:$monitor/0]
mon initial members = a
public addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
keyring = $dir/keyring
run dir = $dir
admin socket = $dir/\$name.asok
log file = $dir/\$name.log
pid file = $dir/\$name.pid
crash dir = $dir/crash
mon data = $dir/mon
osd data = $dir/osd
rgw data = $dir/rgw
mon allow pool size one = true
mon data avail crit = 1
paxos propose interval = 0.05
paxos min wait = 0.01
osd objectstore = memstore
osd crush chooseleaf type = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
rgw frontends = beast endpoint=127.0.0.1:$gateway
END

{
    monmaptool --create --addv a "[v2:127.0.0.1:$monitor]" --fsid "$cluster" "$dir/monmap"
    ceph-mon --mkfs -i a --monmap "$dir/monmap"
} >>"$dir/out" 2>&1
daemon ceph-mon -i a
{
    ceph osd new "$osd"
    ceph-osd --mkfs -i 0 --osd-uuid "$osd"
} >>"$dir/out" 2>&1
daemon ceph-osd -i 0
radosgw-admin user create --uid=shop --display-name=shop \
    --access-key="$AWS_ACCESS_KEY_ID" --secret="$AWS_SECRET_ACCESS_KEY" >>"$dir/out" 2>&1
daemon radosgw -n client.admin

# Creates the bucket, with a request of the older signature: programs of the shell can sign it.
create_bucket() {
    now=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
    signature=$(printf 'PUT\n\n\n%s\n/orders' "$now" |
        openssl dgst -sha1 -hmac "$AWS_SECRET_ACCESS_KEY" -binary | base64)
    curl --silent --show-error --fail --noproxy '*' --request PUT --header "Date: $now" \
        --header "Authorization: AWS $AWS_ACCESS_KEY_ID:$signature" \
        "http://127.0.0.1:$gateway/orders" >>"$dir/out" 2>&1
}
attempts=0
until create_bucket; do
    attempts=$((attempts + 1))
    [ "$attempts" -lt 600 ]
    sleep 0.1
done
echo ready
# Returns at the end of the input.
read -r end || true
