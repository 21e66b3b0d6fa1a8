mkdir /etc/duo
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj '/CN=Example CA' 2>/dev/null
cat >/etc/duo/authproxy.cfg <<'END'
[main]
http_ca_certs_file=ca.pem

[radius_client]
host=10.1.0.9
secret=Example-Secret

[radius_server_auto]
prt=1812
ikey=DIXXXXXXXXXXXXXXXXXX
skey=0123456789abcdef0123456789abcdef01234567
api_host=api-12345678.duosecurity.com
failmode=secure
radius_ip_1=192.0.2.10
radius_secret_1=Example-Secret-1
END
cp ca.pem /etc/duo
cp ca.key server.key
cp /etc/duo/authproxy.cfg .
countersign run >/tmp/gateway.log 2>&1 &
until_done countersign token create test --role admin >/tmp/token
echo "export TOKEN=$(cat /tmp/token)" >>../env
