write_config auto interface=192.0.2.1
cp -p authproxy.cfg /etc/countersign/
