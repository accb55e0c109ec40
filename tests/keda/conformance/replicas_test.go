package conformance

import (
	"strings"

	"google.golang.org/grpc/resolver"
)

// replicas resolves `replicas:///ADDRESS,ADDRESS` as DNS does a headless service's name: to the addresses of its pods.
type replicas struct{}

const scheme = "replicas"

func init() {
	resolver.Register(replicas{})
}

// service is the address of a headless service of these scalers; of one, it is that one's.
func service(of ...*scaler) string {
	if len(of) == 1 {
		return of[0].grpc
	}
	var addresses []string
	for _, one := range of {
		addresses = append(addresses, one.grpc)
	}
	return scheme + ":///" + strings.Join(addresses, ",")
}

func (replicas) Scheme() string { return scheme }

func (replicas) Build(target resolver.Target, connection resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	var state resolver.State
	for address := range strings.SplitSeq(target.Endpoint(), ",") {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	return replicas{}, connection.UpdateState(state)
}

// OverrideAuthority is the name that the service has for its clients; the addresses are none.
func (replicas) OverrideAuthority(resolver.Target) string { return "azp-scaler" }

func (replicas) ResolveNow(resolver.ResolveNowOptions) {}

func (replicas) Close() {}
