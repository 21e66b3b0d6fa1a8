# The files that the page makes are served as it makes them anew.
countersign cert radius.example.com --dir . >/dev/null
cat >authproxy.cfg <<'END'
[main]
interface=192.0.2.5

[radius_server_eap]
api_host=builtin
client=radius_client
failmode=secure
port=1812
radius_ip_1=192.0.2.5
radius_secret_1=Example-Secret-1
factors=push
certs=radius.pem
pkey=radius.key

[radius_client]
host=192.0.2.20
secret=Example-Secret
END
chmod 600 authproxy.cfg
upstream
gateway --config authproxy.cfg
countersign factor add alice
countersign factor add-device alice phone --number '+1 555 010 0100'
countersign factor script alice approve --after-ms 100
# `alice.conf` is the one of the page.
sed -n '/^network={/,/^}/p' "$REPOSITORY/docs/src/eap.md" >alice.conf
