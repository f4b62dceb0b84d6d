package adaptertest_test
import ("testing";"context"
 "github.com/stillwater-go/workflow/adapters/adaptertest"
 "github.com/stillwater-go/workflow/adapters/memory"
 "github.com/stillwater-go/workflow/adapters/memstreamer"
 "github.com/stillwater-go/workflow/backend")
func TestZZMemory(t *testing.T){ adaptertest.Run(t, func(t *testing.T) adaptertest.Store { return adaptertest.Store{Backend: memory.New(), Tx: func(do func(context.Context) error) any { return memory.TxFunc(do)}} }, adaptertest.Guarantees{NoRestart:true,NoCrash:true,NoPeers:true}) }
func TestZZStream(t *testing.T){ adaptertest.RunStreamer(t, func(t *testing.T) backend.EventStreamer { return memstreamer.New() }, adaptertest.StreamGuarantees{}) }
