mkdir -p /etc/prometheus
cp "$REPOSITORY/deploy/prometheus/alerts.yml" /etc/prometheus/
