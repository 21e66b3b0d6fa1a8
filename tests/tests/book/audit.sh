write_config
cp -p authproxy.cfg /etc/countersign/
gateway --config /etc/countersign/authproxy.cfg
sed -i s/192.0.2.10/192.0.2.11/\;s/failmode=secure/failmode=safe/ /etc/countersign/authproxy.cfg
