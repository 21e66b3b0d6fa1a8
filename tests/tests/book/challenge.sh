demo
# Which passcodes bob has, the demo says.
echo "learn 352821345 $(sed -n 's/.*each works once: \([0-9]*\).*/\1/p' /tmp/gateway.log)"
