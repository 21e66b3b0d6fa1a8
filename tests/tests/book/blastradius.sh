write_config
sed -i 's/^radius_ip_1=.*/radius_ip_1=192.0.2.10/' authproxy.cfg
gateway --config authproxy.cfg
countersign token create test >/tmp/token 2>/dev/null
echo "export TOKEN=$(cat /tmp/token)" >>../env
# A client that signs nothing: the attribute is left out, and the source is the client's.
echo 'User-Name=alice,User-Password=anything,Packet-Src-IP-Address=192.0.2.10' | radclient -t 5 192.0.2.5:1812 auth Example-Secret-1 || true
