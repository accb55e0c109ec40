package conformance

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kedacore/keda/v2/pkg/scalers"
)

// An authority signs the certificates of servers and clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// A pair is a certificate and its key, as PEM.
type pair struct{ certificate, key string }

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func encoded(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func newAuthority() authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return authority{must(x509.ParseCertificate(der)), key}
}

func (a authority) pem() string { return encoded("CERTIFICATE", a.certificate.Raw) }

// signs makes a certificate for loopback that servers and clients can show.
func (a authority) signs() pair {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "tests"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key))
	return pair{encoded("CERTIFICATE", der), encoded("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key)))}
}

// What KEDA hands its client of a TriggerAuthentication, and whether it is answered.
func answered(s setting, secrets map[string]string) error {
	asked := config(s, "ScaledJob", "0", "linux")
	asked.TriggerMetadata["enableTLS"] = "true"
	asked.AuthParams = secrets
	client, err := scalers.NewExternalScaler(asked)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(context.Background()) }()
	within, end := context.WithTimeout(context.Background(), 5*time.Second)
	defer end()
	_, _, err = client.GetMetricsAndActivity(within, "s0-azure-pipelines-linux")
	return err
}

func TestTLS(t *testing.T) {
	place(t)
	azure := startOrganization(t, 1, "linux")
	ours, strangers := newAuthority(), newAuthority()
	server, keda, stranger := ours.signs(), ours.signs(), strangers.signs()
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private := startScaler(t, azure.url,
		"AZP_SCALER__GRPC__TLS__CERTIFICATE="+file("tls.crt", server.certificate),
		"AZP_SCALER__GRPC__TLS__KEY="+file("tls.key", server.key))
	mutual := startScaler(t, azure.url,
		"AZP_SCALER__GRPC__TLS__CERTIFICATE="+file("tls.crt", server.certificate),
		"AZP_SCALER__GRPC__TLS__KEY="+file("tls.key", server.key),
		"AZP_SCALER__GRPC__TLS__CLIENT_CA="+file("ca.crt", ours.pem()))
	for _, try := range []struct {
		what    string
		scaler  *scaler
		secrets map[string]string
		served  bool
	}{
		{"caCert", private, map[string]string{"caCert": ours.pem()}, true},
		{"another authority's caCert", private, map[string]string{"caCert": strangers.pem()}, false},
		{"tlsClientCert and tlsClientKey", mutual,
			map[string]string{"caCert": ours.pem(), "tlsClientCert": keda.certificate, "tlsClientKey": keda.key}, true},
		{"no tlsClientCert", mutual, map[string]string{"caCert": ours.pem()}, false},
		{"a stranger's tlsClientCert", mutual,
			map[string]string{"caCert": ours.pem(), "tlsClientCert": stranger.certificate, "tlsClientKey": stranger.key}, false},
	} {
		err := answered(setting{azure: azure, scaler: try.scaler}, try.secrets)
		if (err == nil) != try.served {
			t.Errorf("%s: %v", try.what, err)
		}
	}
}
