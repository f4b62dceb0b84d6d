package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

// loopback is the only address that the server listens on.
const loopback = "127.0.0.1"

// serve starts all services of a server in this process and returns where its front end listens.
func serve(s *store) (temporal.Server, string, error) {
	ports, err := freePorts(2 * len(temporal.DefaultServices))
	if err != nil {
		return nil, "", err
	}
	services := map[string]config.Service{}
	for i, name := range temporal.DefaultServices {
		services[name] = config.Service{RPC: config.RPC{GRPCPort: ports[2*i], MembershipPort: ports[2*i+1], BindOnIP: loopback}}
	}
	address := fmt.Sprintf("%s:%d", loopback, services[string(primitives.FrontendService)].RPC.GRPCPort)
	c := &config.Config{
		Persistence: s.persistence,
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10, MasterClusterName: "active", CurrentClusterName: "active",
			ClusterInformation: map[string]cluster.ClusterInformation{"active": {Enabled: true, InitialFailoverVersion: 1, RPCAddress: address}},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival: config.Archival{
			History: config.HistoryArchival{State: "disabled"}, Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History: config.HistoryArchivalNamespaceDefaults{State: "disabled"}, Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
		}},
		PublicClient: config.PublicClient{HostPort: address},
		Services:     services,
	}
	c.Global.Membership = config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback}
	server, err := temporal.NewServer(
		temporal.WithConfig(c), temporal.ForServices(temporal.DefaultServices), temporal.WithLogger(log.NewNoopLogger()),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
		temporal.WithDynamicConfigClient(settings()),
	)
	if err != nil {
		return nil, "", err
	}
	return server, address, server.Start()
}

// settings lift limits that are made for many users of one server, so that the machine is the limit. Above all the history service looks for
// work twenty times a second and shard at most by default, which would make every hop of a lone run take 50 ms.
func settings() dynamicconfig.StaticClient {
	const calls = 100_000
	limits := dynamicconfig.StaticClient{}
	for _, name := range []string{
		"frontend.rps", "frontend.namespaceRPS", "frontend.globalNamespaceRPS", "history.rps", "matching.rps",
		"frontend.persistenceMaxQPS", "history.persistenceMaxQPS", "matching.persistenceMaxQPS", "worker.persistenceMaxQPS",
		"history.transferProcessorMaxPollRPS", "history.timerProcessorMaxPollRPS", "history.visibilityProcessorMaxPollRPS",
		"history.transferProcessorMaxPollHostRPS", "history.timerProcessorMaxPollHostRPS", "history.visibilityProcessorMaxPollHostRPS",
	} {
		limits[dynamicconfig.MakeKey(name)] = []dynamicconfig.ConstrainedValue{{Value: calls}}
	}
	return limits
}

// freePorts finds ports that nobody listens on. They are low ones: on Postgres the server keeps them in a column that holds 32,767 at most.
func freePorts(n int) ([]int, error) {
	const lowest, highest = 20_000, 32_767
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 1000 {
			return nil, errors.New("no free port")
		}
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, lowest+rand.IntN(highest-lowest)))
		if err != nil {
			continue
		}
		defer func() { _ = l.Close() }() // only now: the next one must be another
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
