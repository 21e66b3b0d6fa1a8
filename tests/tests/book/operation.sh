write_config
cp -p authproxy.cfg /etc/countersign/
database
url='postgres://countersign:PASSWORD@db.example.com/countersign?sslmode=verify-full&sslrootcert=/etc/countersign/db-ca.pem'
echo "$url" >/etc/countersign/database
chmod 600 /etc/countersign/database
