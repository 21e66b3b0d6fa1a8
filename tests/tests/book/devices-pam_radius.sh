upstream
cat >authproxy.cfg <<'END'
[main]
interface=192.0.2.5

[radius_client]
host=192.0.2.20
secret=Example-Secret

[radius_server_challenge]
api_host=builtin
failmode=secure
port=1812
radius_ip_1=192.0.2.10
radius_secret_1=Example-Secret-1
END
chmod 600 authproxy.cfg
gateway --config authproxy.cfg
countersign factor add alice
countersign factor add-device alice phone --number '+1 555 010 0100'
countersign factor script alice approve --after-ms 100
# Both files are those of the page, which has them in its second and third block.
block() {
  awk -v want="$1" '/^```/ { open = !open; if (open) number++; next } open && number == want' \
    "$REPOSITORY/docs/src/devices/pam_radius.md"
}
block 2 >/etc/pam_radius_auth.conf
block 3 >/etc/pam.d/countersign
