# OUT: ca.crt, server.crt, server.key: the test's own authority, and the release server's certificate
. "$(dirname "$0")/lib.sh"; cd "$1"
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj '/CN=kind-wsl test machine CA' \
  -addext 'keyUsage=critical,keyCertSign,cRLSign' -addext 'basicConstraints=critical,CA:TRUE' -keyout ca.key -out ca.crt
openssl req -newkey rsa:2048 -nodes -subj '/CN=10.0.2.2' -keyout server.key -out server.csr
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out server.crt -extfile <(
  printf '%s\n' 'subjectAltName=IP:10.0.2.2,IP:127.0.0.1,DNS:localhost' 'extendedKeyUsage=serverAuth' 'basicConstraints=CA:FALSE')
rm -f ca.key ca.srl server.csr
