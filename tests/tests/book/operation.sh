write_config
cp -p authproxy.cfg /etc/countersign/
