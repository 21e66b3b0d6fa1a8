demo
export COUNTERSIGN_DATA_DIR=DIR
for outcome in deny approve; do
  countersign factor script alice $outcome --after-ms 100
  echo anything | countersign login alice --integration radius_server_auto || [ $outcome = deny ]
done
echo 'export COUNTERSIGN_DATA_DIR=DIR' >>../env
