ln -s /tmp/countersign-demo-0 DIR
# The file is the one of the page.
sed -n '/^```ini$/,/^```$/p' "$REPOSITORY/docs/src/quick_start.md" | grep -v '^```' >authproxy.cfg
chmod 600 authproxy.cfg
