cat >authproxy.cfg <<'END'
[ad_client]
host=127.0.0.1
service_account_username=svc-radius
service_account_password=Example-Password
search_dn=DC=example,DC=com

[radius_client]
host=127.0.0.1
port=18129
secret=Example-Secret

[radius_server_auto]
port=1814
ikey=DIXXXXXXXXXXXXXXXXXX
skey=0123456789abcdef0123456789abcdef01234567
api_host=api-12345678.duosecurity.com
client=ad_client
failmode=secure
radius_ip_1=192.0.2.10
radius_secret_1=Example-Secret-1
END
countersign cert radius.example.com --dir . >/dev/null
cat >run.cfg <<'END'
[main]
interface=192.0.2.1

[radius_server_auto]
failmode=secure
api_host=builtin
client=duo_only_client
port=18120
radius_ip_1=192.0.2.10
radius_secret_1=Example-Secret-1

[radius_server_eap]
api_host=builtin
client=radius_client
failmode=secure
port=18121
radius_ip_1=192.0.2.10
radius_secret_1=Example-Secret-1
certs=radius.pem
pkey=radius.key

[radius_client]
host=192.0.2.20
secret=Example-Secret

[duo_only_client]
END
chmod 600 authproxy.cfg run.cfg
export COUNTERSIGN_DATA_DIR=DIR
upstream
gateway --config run.cfg
countersign factor add alice
countersign factor add-device alice phone --number '+1 555 010 0100'
countersign factor script alice approve --after-ms 100
