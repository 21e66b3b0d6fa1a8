demo

cat >users.csv <<'CSV'
username,full_name,email,number,status,aliases,groups
alice,Alice Example,alice@example.com,,,alice@corp.example;al,VPN users
dora,"Example, Dora",dora@example.com,,active,,VPN users;Operators
CSV

cat >tokens.csv <<'CSV'
serial,secret,kind,digits,counter,username
2600381,3132333435363738393031323334353637383930,hotp,6,0,erin
2600382,base32:GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,totp,8,,
CSV

echo Example-Password-1 >smtp.password
